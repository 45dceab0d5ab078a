// What the service tells of the records: kept as the lines it sends, and read where they are shown.

/** In a line, a quote within a text has a backslash before it: these can only be names. */
const EVENT = ',"event":';
const FILLS = ',"fills":[';
const LEFT = ',"unmapped":[{';
const REJECT = ',"reject":{"reason":';

/** The records of one run, in order. */
export class Records {
  constructor() {
    /** Of each record its line, and the name of its input. */
    this.all = [];
    /** The places in `all` of what can be shown alone. */
    this.left = [];
    this.reject = [];
    /** What went wrong with inputs. */
    this.failures = [];
    this.more = false;
  }

  /** Asks the service to explain some bytes; calls `seen` as records come. */
  async ask(name, body, options, seen, signal) {
    const answer = await fetch(`/explain?${options}`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body,
      signal,
    });
    if (!answer.ok) {
      throw new Error(await refusal(answer));
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
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
      seen();
    }
    if (!ended) {
      throw new Error("the answer was cut short: is the service still there? Try again.");
    }
  }

  /** Takes one line; whether it is the last. */
  add(name, line) {
    if (line.startsWith('{"end":')) {
      const { end } = JSON.parse(line);
      this.more = this.more || end.more;
      if (end.failure) {
        this.failures.push(`${name}: ${end.failure}`);
      }
      return true;
    }
    if (line.includes(REJECT)) {
      this.reject.push(this.all.length);
    } else if (line.includes(LEFT)) {
      this.left.push(this.all.length);
    }
    this.all.push({ name, line });
    return false;
  }

  /** The places of what a filter lets through; nothing for all. */
  places(filter) {
    return filter === "all" ? null : this[filter];
  }

  /** One record, read. */
  read(place) {
    const { name, line } = this.all[place];
    return { ...JSON.parse(line), name };
  }

  get events() {
    return this.all.length - this.reject.length;
  }

  /** The events, one a line: the very bytes that normalize writes. */
  download() {
    const events = [];
    for (const { line } of this.all) {
      const start = line.indexOf(EVENT);
      if (start >= 0 && !line.includes(REJECT)) {
        events.push(line.slice(start + EVENT.length, line.indexOf(FILLS, start)), "\n");
      }
    }
    return new Blob(events, { type: "application/x-ndjson" });
  }
}

async function refusal(answer) {
  if (answer.status === 413) {
    return "that is more than the page takes (16 MiB): use zoom-udm explain or normalize, or less of it";
  }
  const text = (await answer.text()).slice(0, 300);
  return answer.status === 400 ? text : `the service answered ${answer.status}; try again`;
}
