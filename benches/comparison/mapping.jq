# The mapping in jq (1.6 and later): reads records, writes events; skips records without a usable time.
#
#     zoom-udm mapping --format json >rows.json
#     jq -n -c --rawfile types src/udm/event_types.tsv --slurpfile rows rows.json -f mapping.jq records.ndjson
#
# Limitations of jq: stops at a line that is not JSON; reformats numbers; ignores case only in ASCII.

def email: "[\\w+%][\\w.!#$%&'*+/=?^~-]*@[^\\W_](?:[\\w-]*[^\\W_])?(?:\\.[^\\W_](?:[\\w-]*[^\\W_])?)+";
def is_email: index("@") != null and test("\\A(?:" + email + ")\\z");
# Checks the first and last character, to avoid regular expressions, which jq compiles on every use.
def has_plain_ends: [.[:1], .[-1:]] | all(. >= "!" and . <= "~");
def trim: if has_plain_ends then . elif test("\\A\\s|\\s\\z") then sub("\\A\\s+"; "") | sub("\\s+\\z"; "") else . end;
def present: select(. != null and . != "");
def text: if type == "string" then . elif . == null then "" else tojson end | if has_plain_ends or test("\\S") then . else "" end;
def field: if type == "object" or type == "array" then "" else text end;
def distinct(by): reduce .[] as $one ([]; if any(.[]; by == ($one | by)) then . else . + [$one] end);

# Removes empty values.
def prune:
  if type == "object" then map_values(prune | select(length > 0))
  elif type == "array" then map(prune | select(length > 0))
  else . end;

def fraction: if . == null then "" else . + "000000000" | .[:9] | sub("000$"; "") | sub("000$"; "") | sub("000$"; "")
  | if . == "" then "" else "." + . end end;

# Converts a time to RFC 3339 in UTC; empty if the text is not a time.
def timestamp:
  if length == 20 and .[10:11] == "T" and .[19:] == "Z" and ([fromdate? | todate] | first) == . then .
  elif test("\\A[0-9]{10}\\z") then tonumber | todate
  elif test("\\A[0-9]{13}\\z") then "\(.[:10] | tonumber | todate | rtrimstr("Z"))\(.[10:] | fraction)Z"
  else
    capture("\\A(?<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\\.(?<part>[0-9]{1,9}))?(?:[Zz]|(?<sign>[+-])(?<hours>[01][0-9]|2[0-3]):?(?<minutes>[0-5][0-9]))?\\z")
    | "\(.date)T\(.clock)Z" as $local
    | ([$local | fromdate?] | first) as $seconds
    | select($seconds and ($seconds | todate) == $local)
    | (if .sign == null then $local else
        (((.hours | tonumber) * 60 + (.minutes | tonumber)) * 60) as $shift
        | (if .sign == "+" then $seconds - $shift else $seconds + $shift end) | todate
      end | rtrimstr("Z")) + (.part | fraction) + "Z"
  end;

# Returns {text, users}: the elements of the leftmost valid JSON in the text, and the text without that JSON.
def cut_json:
  . as $text
  | if index("{") == null then {text: $text, users: []} else
      first(
        (match("\\[(?=[ \\t\\n\\r]*\\{)|\\{(?=[\"}])"; "g").offset) as $start
        | (match("[\\]}]"; "g").offset + 1 | select(. > $start)) as $stop
        | [$text[$start:$stop] | fromjson?][] as $json
        | {text: ($text[:$start] + $text[$stop:]), users: (if ($json | type) == "array" then $json else [$json] end)}
      ) // {text: $text, users: []}
    end;

# Splits at the first separator; the second part is null if there is none.
def split_once(separator): split(separator) | [.[0] // "", if length > 1 then .[1:] | join(separator) else null end];

# Returns HEAD and the rest.
def split_head:
  trim
  | if startswith("- ") then ["", .[2:]]
    else split_once("  - ") as [$head, $rest]
      | (if $rest == null then split_once(" - ") else [$head, $rest] end)
      | .[0] |= trim
    end;

def change: split_once(":") as [$key, $value]
  | select($value != null and ($value | . == "" or startswith(" ")))
  | {key: ($key | trim), value: $value}
  | select(.key != "");

# Returns the changes; an unkeyed piece has no key.
def pieces:
  reduce (split(" - ")[]) as $part ([];
    ($part | first(change) // null) as $change
    | if $change then . + [$change]
      elif length == 0 then [{value: $part}]
      else .[-1].value += " - " + $part end);

def new_value:
  trim
  | if . == "set to" then ""
    elif startswith("set to ") then .[7:] | trim
    elif startswith("from ") then
      (.[5:] + " " | split_once(" to ")[1]) as $new
      | if $new == null then . else $new | trim end
    else . end;

# Returns userid and labels of an object of the JSON.
def user:
  def texts: if type == "array" then .[] else . end | text | present;
  {
    userid: ([.userId | texts] | first // "" | trim),
    attribute: {labels: [("assistant", "options") as $key | .[$key] | texts | {key: $key, value: .}]}
  };

# The rows that only say which key goes where: labels, and fields of their own.
def labels: [$rows[0][] | select(.source == "key" and .path == "target.user.attribute.labels[]") | .name];
def fields: [$rows[0][]
  | select(.source == "key" and (.path | endswith("[]") or contains("roles[]") or endswith("emailAddresses") | not))
  | {name, list, path: (.path | split(".")[1:])}];

def event($known; $labels; $fields):
  (.time | field | [timestamp] | first // empty) as $time
  | (.operator | field | trim) as $operator
  | (.operation_detail | text) as $description
  | ($description | cut_json) as $cut
  | ($cut.text | split_head) as [$head, $rest]
  | (if $rest == null then [] else $rest | pieces end) as $pieces
  | [$pieces[] | select(.key) | .value |= new_value] as $changes
  | (reduce $changes[] as $change ({}; .[$change.key] = $change.value)) as $values
  | ([$head, ($pieces[] | .key // .value) | select(index("@")) | match(email; "g").string]
      | distinct(ascii_downcase) | .[:2]) as $emails
  | ($head | ascii_downcase | startswith("change role")) as $changes_role
  | ([$changes[] | select($changes_role and .value != "" and (.key | is_email)) | .value] | first
      // ([$changes[] | select(.key == "Role" or .key == "role") | .value] | last)) as $role
  | ($cut.users | map(select(type == "object") | user)) as $users
  | (.event_type | field) as $type
  | {
      metadata: {
        eventTimestamp: $time,
        eventType: (
          if $type != "" and $known[$type] then $type
          elif $operator != "" or $emails != [] then "USER_UNCATEGORIZED"
          else "GENERIC_EVENT" end),
        logType: "ZOOM_OPERATION_LOGS",
        vendorName: "ZOOM",
        productName: "ZOOM_OPERATION_LOGS",
        productEventType: (.action | field),
        description: $description
      },
      additional: {category_type: (.category_type | field)},
      principal: {user: (
        if $operator == "" then {} elif $operator | is_email then {emailAddresses: [$operator]}
        else {userid: $operator} end)},
      target: ({
        user: {
          userid: $users[0].userid,
          emailAddresses: ($emails + [$values["Email Address"] | present] | distinct(ascii_downcase)),
          attribute: {
            roles: ([$values["Role Name"], $values["User Role"], $role] | map(present) | distinct(.) | map({name: .})),
            labels: (
              [$labels[] as $key | $values[$key] | present | {key: $key, value: .}]
              + ($users[0].attribute.labels // []))
          }
        }
      } | reduce $fields[] as $field (.; setpath($field.path; $values[$field.name] | if $field.list then [.] else . end))),
      about: ($users[1:] | map({user: .}))
    }
  | prune;

([$types | split("\n")[1:][] | split("\t")[1] | present | {(.): true}] | add) as $known
| labels as $labels
| fields as $fields
| inputs
| if type == "array" then .[] elif (objects | .operation_logs | type) == "array" then .operation_logs[] else . end
| objects
| event($known; $labels; $fields)
