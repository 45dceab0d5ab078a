// The responses of /explain: stored as the lines that the service sends, and parsed when they are shown.

/** Quotes inside strings are escaped, so these markers match only member names. */
const EVENT = ',"event":';
const FILLS = ',"fills":[';
const UNMAPPED = ',"unmapped":[{';
const REJECTED = ',"reject":{"reason":"';
const KIND = ',"kind":"';
/** The names of the kinds of records on the page. */
const KIND_NAMES = { operation: "operation", sign_in: "sign-in", webhook: "webhook" };

/** The records of one run, in order. */
export class Records {
  constructor() {
    /** The response line and input name of each record. */
    this.all = [];
    /** Indexes into `all` for each filter. */
    this.unmapped = [];
    this.rejected = [];
    /** Counts of events by kind of record, and of rejects by reason. */
    this.kinds = new Map();
    this.reasons = new Map();
    /** Errors of inputs that could not be read to the end. */
    this.failures = [];
    this.more = false;
  }

  /** Posts an input to /explain and stores the response; calls `onProgress` after each chunk. */
  async fetch(name, body, options, onProgress, signal) {
    const response = await fetch(`/explain?${options}`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body,
      signal,
    });
    if (!response.ok) {
      throw new Error(await errorMessage(response));
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let ended = false;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        break;
      }
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        ended = this.add(name, line) || ended;
      }
      onProgress();
    }
    if (!ended) {
      throw new Error("the response ended early; check that the service is running and try again");
    }
  }

  /** Stores one line; returns whether it is the last one. */
  add(name, line) {
    if (line.startsWith('{"end":')) {
      const { end } = JSON.parse(line);
      this.more = this.more || end.more;
      if (end.failure) {
        this.failures.push(`${name}: ${end.failure}`);
      }
      return true;
    }
    const count = (counts, marker, names = {}) => {
      const name = valueAfter(line, marker);
      counts.set(names[name] ?? name, (counts.get(names[name] ?? name) ?? 0) + 1);
    };
    if (line.includes(REJECTED)) {
      this.rejected.push(this.all.length);
      count(this.reasons, REJECTED);
    } else {
      count(this.kinds, KIND, KIND_NAMES);
      if (line.includes(UNMAPPED)) {
        this.unmapped.push(this.all.length);
      }
    }
    this.all.push({ name, line });
    return false;
  }

  /** Returns the indexes of the records that match a filter, or null for all records. */
  indexes(filter) {
    return filter === "all" ? null : this[filter];
  }

  /** Returns the parsed explanation of one record. */
  parse(index) {
    const { name, line } = this.all[index];
    return { ...JSON.parse(line), name };
  }

  get events() {
    return this.all.length - this.rejected.length;
  }

  /** Returns the events as NDJSON, byte for byte as `zoom-udm normalize` writes them. */
  download() {
    const events = [];
    for (const { line } of this.all) {
      const start = line.indexOf(EVENT);
      if (start >= 0 && !line.includes(REJECTED)) {
        events.push(line.slice(start + EVENT.length, line.indexOf(FILLS, start)), "\n");
      }
    }
    return new Blob(events, { type: "application/x-ndjson" });
  }
}

/** Returns the text between a marker and the next quote. */
function valueAfter(line, marker) {
  const start = line.indexOf(marker) + marker.length;
  return line.slice(start, line.indexOf('"', start));
}

async function errorMessage(response) {
  if (response.status === 413) {
    return "the input exceeds 16 MiB; use zoom-udm explain or normalize, or a smaller input";
  }
  const text = (await response.text()).slice(0, 300);
  return response.status === 400 ? text : `the service responded with HTTP ${response.status}; try again`;
}
