# The mapping in jq (1.6 and later): records in, events out; a record without a usable time is left out.
#
#     jq -n -c --rawfile types src/udm/event_types.tsv -f mapping.jq records.ndjson
#
# What jq cannot do: go on behind a line that is no JSON; keep numbers as they were written; compare letters beyond
# ASCII whatever their case.

def email: "[\\w+%][\\w.!#$%&'*+/=?^~-]*@[^\\W_](?:[\\w-]*[^\\W_])?(?:\\.[^\\W_](?:[\\w-]*[^\\W_])?)+";
def is_email: index("@") != null and test("\\A(?:" + email + ")\\z");
# Regular expressions are compiled anew each time they are used: where a look at the edges tells, none is.
def edges_are_plain: [.[:1], .[-1:]] | all(. >= "!" and . <= "~");
def trim: if edges_are_plain then . elif test("\\A\\s|\\s\\z") then sub("\\A\\s+"; "") | sub("\\s+\\z"; "") else . end;
def present: select(. != null and . != "");
def text: if type == "string" then . elif . == null then "" else tojson end | if edges_are_plain or test("\\S") then . else "" end;
def field: if type == "object" or type == "array" then "" else text end;
def distinct(by): reduce .[] as $one ([]; if any(.[]; by == ($one | by)) then . else . + [$one] end);

# Absent means absent.
def prune:
  if type == "object" then map_values(prune | select(length > 0))
  elif type == "array" then map(prune | select(length > 0))
  else . end;

def fraction: if . == null then "" else . + "000000000" | .[:9] | sub("000$"; "") | sub("000$"; "") | sub("000$"; "")
  | if . == "" then "" else "." + . end end;

# RFC 3339 in UTC; nothing where the text is no time.
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

# {text, users}: the JSON in the text, which is cut out; from the leftmost start to the end at which it can be read.
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

# What stands before the first `by`, and what behind it: null where it is nowhere.
def halves(by): split(by) | [.[0] // "", if length > 1 then .[1:] | join(by) else null end];

# HEAD and what is behind it.
def split_head:
  trim
  | if startswith("- ") then ["", .[2:]]
    else halves("  - ") as [$head, $rest]
      | (if $rest == null then halves(" - ") else [$head, $rest] end)
      | .[0] |= trim
    end;

def change: halves(":") as [$key, $value]
  | select($value != null and ($value | . == "" or startswith(" ")))
  | {key: ($key | trim), value: $value}
  | select(.key != "");

# The changes; one without a key is what stands alone.
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
      (.[5:] + " " | halves(" to ")[1]) as $new
      | if $new == null then . else $new | trim end
    else . end;

# What one object of the JSON says of a user.
def user:
  def texts: if type == "array" then .[] else . end | text | present;
  {
    userid: ([.userId | texts] | first // "" | trim),
    attribute: {labels: [("assistant", "options") as $key | .[$key] | texts | {key: $key, value: .}]}
  };

def event($known):
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
      target: {
        user: {
          userid: $users[0].userid,
          userDisplayName: $values["Display Name"],
          firstName: $values["First Name"],
          lastName: $values["Last Name"],
          emailAddresses: ($emails + [$values["Email Address"] | present] | distinct(ascii_downcase)),
          title: $values["Job Title"],
          department: [$values.Department],
          roleDescription: $values.Description,
          attribute: {
            roles: ([$values["Role Name"], $values["User Role"], $role] | map(present) | distinct(.) | map({name: .})),
            labels: (
              [("Room Name", "Type", "User Type") as $key | $values[$key] | present | {key: $key, value: .}]
              + ($users[0].attribute.labels // []))
          }
        },
        location: {name: $values.Location}
      },
      about: ($users[1:] | map({user: .}))
    }
  | prune;

([$types | split("\n")[1:][] | split("\t")[1] | present | {(.): true}] | add) as $known
| inputs
| if type == "array" then .[] elif (objects | .operation_logs | type) == "array" then .operation_logs[] else . end
| objects
| event($known)
