// One record beside its event. Everything that comes from a record gets in by textContent.

/** An element with a class and what is in it: texts and elements. */
export function make(name, style, ...inside) {
  const element = document.createElement(name);
  if (style) {
    element.className = style;
  }
  element.append(...inside);
  return element;
}

/** What cannot be seen, or turns the direction of text: shown as an escape. */
const HIDDEN = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const HIDDEN_OR_NOT = new RegExp(`(${HIDDEN.source})`, "u");
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text as elements: what is hidden in it is shown. */
function shown(text) {
  if (!HIDDEN.test(text)) {
    return [text];
  }
  return text.split(HIDDEN_OR_NOT).filter(Boolean).map((part) => {
    if (!HIDDEN.test(part)) {
      return part;
    }
    const escape = SHORT[part] ?? `\\u{${part.codePointAt(0).toString(16)}}`;
    return make("span", "escape", escape);
  });
}

/** A text as it came, line by line. */
function lines(text) {
  return text.split("\n").flatMap((line, index) => (index > 0 ? ["\n", ...shown(line)] : shown(line)));
}

/** A text in which each stretch that something refers to is an element of its own. */
class Marked {
  constructor(element, text, spans) {
    const characters = Array.from(text);
    const cuts = new Set([0, characters.length]);
    for (const [start, end] of spans) {
      cuts.add(Math.min(start, characters.length)).add(Math.min(end, characters.length));
    }
    const places = [...cuts].sort((one, other) => one - other);
    this.length = characters.length;
    this.stretches = [];
    /** Of each place where a stretch begins, how many begin before it. */
    this.begins = new Map(places.map((place, index) => [place, index]));
    for (let index = 0; index + 1 < places.length; index += 1) {
      const [start, end] = [places[index], places[index + 1]];
      const span = make("span", "", ...shown(characters.slice(start, end).join("")));
      this.stretches.push({ start, end, span });
      element.append(span);
    }
  }

  /** Gives a class to what is within some of the spans it was made with, and takes it from the rest. */
  mark(style, spans) {
    const changes = new Array(this.stretches.length + 1).fill(0);
    for (const [from, to] of spans) {
      changes[this.begins.get(Math.min(from, this.length))] += 1;
      changes[this.begins.get(Math.min(to, this.length))] -= 1;
    }
    let over = 0;
    this.stretches.forEach(({ span }, index) => {
      over += changes[index];
      span.classList.toggle(style, over > 0);
    });
  }
}

/** Fields one by one, but a label's key with its value. */
function* rows(fills) {
  for (let index = 0; index < fills.length; index += 1) {
    const fill = fills[index];
    const next = fills[index + 1];
    if (fill.path.endsWith(".key") && next?.path === fill.path.slice(0, -4) + ".value") {
      index += 1;
      yield { ...next, path: fill.path.slice(0, -4), value: `${fill.value} = ${next.value}` };
    } else {
      yield fill;
    }
  }
}

/** The card of one record. `tell` is given what is pointed at. */
export function card(told, place, tell) {
  const item = make("li", told.reject ? "card rejected" : "card");
  const title = make("h3", "", `Record ${place + 1}`);
  const where = make("span", "quiet", `${told.name}, line ${told.line}, byte ${told.offset}`);
  const head = make("header", "", title, where);
  item.append(head);
  title.id = `record-${place}`;
  const article = make("article", "");
  article.setAttribute("aria-labelledby", title.id);
  article.append(...item.childNodes);
  item.append(article);
  if (told.reject) {
    head.append(make("span", "badge bad", "rejected"));
    article.append(rejected(told));
    return { item, fields: [] };
  }
  const type = told.fills.find((fill) => /^metadata\.event_?type$/i.test(fill.path));
  head.append(make("span", "badge", ...shown(type?.value ?? "event")));
  return { item, fields: explained(told, place, article, tell) };
}

function rejected(told) {
  const { reason, what, expected, cure } = told.reject;
  const facts = make("dl", "facts");
  for (const [name, text] of [["What", what], ["Expected", expected], ["To do", cure]]) {
    facts.append(make("dt", "", name), make("dd", "", ...shown(text)));
  }
  const raw = make("pre", "raw", ...lines(rawText(told)));
  raw.tabIndex = 0;
  raw.setAttribute("aria-label", "The record as it came");
  return make("div", "refusal", make("p", "reason", make("code", "", reason)), facts, raw);
}

function rawText(told) {
  if (told.record !== undefined) {
    return told.record;
  }
  const bytes = Uint8Array.from(atob(told.record_base64 ?? told.record_start_base64), (byte) => byte.charCodeAt(0));
  return new TextDecoder().decode(bytes) + (told.record_start_base64 ? "…" : "");
}

function explained(told, place, article, tell) {
  const texts = new Map();
  const record = recordSide(told, texts);
  const point = (field, button) => {
    const marked = texts.get(field.source?.field);
    const mark = ({ at, taken }) => {
      marked?.mark("at", at);
      marked?.mark("taken", taken);
    };
    tell(field, button, () => field.source && mark(field.source), () => mark({ at: [], taken: [] }));
  };
  const { side, buttons } = eventSide(told, place, point);
  reverse(texts, buttons);
  const left = leftSide(told, texts);
  article.append(make("div", "sides", make("section", "side", record, ...left), side));
  return buttons.map(({ button }) => button);
}

/** Sources, or what was left, by the field they are of. */
function byField(parts) {
  const fields = new Map();
  for (const part of parts) {
    const known = fields.get(part.field);
    if (known) {
      known.push(part);
    } else {
      fields.set(part.field, [part]);
    }
  }
  return fields;
}

/** The record, its texts cut where something was taken or left. */
function recordSide(told, texts) {
  const list = make("dl", "record");
  const last = new Map(told.members.map((member, index) => [member.name, index]));
  const taken = byField(told.fills.map((fill) => fill.source).filter(Boolean));
  const unmapped = byField(told.unmapped);
  told.members.forEach((member, index) => {
    const of = (parts) => (last.get(member.name) === index && parts.get(member.name)) || [];
    const sources = of(taken);
    const left = of(unmapped);
    const spans = [...sources.flatMap(({ at, taken }) => [...at, ...taken]), ...left.flatMap(({ at }) => at)];
    const text = make("dd", "");
    const marked = new Marked(text, member.text, spans);
    const whole = ([start, end]) => start === 0 && end === marked.length;
    const parts = sources.flatMap(({ taken }) => taken).filter((span) => member.name !== "operation_detail" || !whole(span));
    marked.mark("used", parts);
    marked.mark("left", left.flatMap(({ at }) => (at.length > 0 ? at : [[0, marked.length]])));
    if (last.get(member.name) === index) {
      texts.set(member.name, marked);
    }
    list.append(make("dt", "", ...shown(member.name)), text);
  });
  const raw = make("pre", "raw", ...lines(rawText(told)));
  raw.tabIndex = 0;
  raw.setAttribute("aria-label", "The record as it came");
  const details = make("details", "as-it-came", make("summary", "", "As it came"), raw);
  return make("div", "", make("h4", "", "Record"), list, details);
}

/** The event: a group for each noun, a button for each field; one of them is in the tab order. */
function eventSide(told, place, point) {
  const side = make("section", "side event", make("h4", "", "Event"));
  const buttons = [];
  let group = null;
  for (const field of rows(told.fills)) {
    const [, noun, rest] = /^([^.]+)\.(.*)$/su.exec(field.path) ?? [null, "", field.path];
    if (group?.noun !== noun) {
      const list = make("ul", "fields");
      const name = make("h5", "", noun);
      name.id = `group-${place}-${noun}`;
      list.setAttribute("aria-labelledby", name.id);
      side.append(name, list);
      group = { noun, list };
    }
    const path = make("span", "path", make("span", "unseen", `${noun}.`), rest);
    const button = make("button", "field", path, make("span", "value", ...shown(field.value)));
    button.type = "button";
    button.tabIndex = buttons.length === 0 ? 0 : -1;
    button.setAttribute("aria-describedby", "why-rule why-source");
    button.classList.toggle("constant", field.rule.source === "constant" || field.rule.source === "option");
    for (const happening of ["focus", "pointerenter", "click"]) {
      button.addEventListener(happening, () => point(field, button));
    }
    group.list.append(make("li", "", button));
    buttons.push({ field, button });
  }
  side.addEventListener("keydown", (pressed) => rove(pressed, buttons.map(({ button }) => button)));
  return { side, buttons };
}

/** Arrow keys, Home and End go from field to field. */
function rove(pressed, buttons) {
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[pressed.key];
  if (at < 0 || to === undefined || pressed.ctrlKey || pressed.altKey || pressed.metaKey) {
    return;
  }
  pressed.preventDefault();
  const next = buttons[Math.max(0, Math.min(to, buttons.length - 1))];
  buttons[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** Pointing at a text of the record points at the field that took the least around it. */
function reverse(texts, buttons) {
  const width = (spans) => spans.reduce((sum, [start, end]) => sum + end - start, 0);
  for (const [name, marked] of texts) {
    const of = buttons.filter(({ field }) => field.source?.field === name);
    for (const { start, end, span } of marked.stretches) {
      const within = ([from, to]) => from <= start && end <= to;
      // Looked for when it is asked for: a record may have thousands of both.
      span.addEventListener("pointerenter", () => {
        const takers = of.filter(({ field }) => field.source.at.some(within));
        const least = takers.reduce((one, other) => (width(other.field.source.at) < width(one.field.source.at) ? other : one), takers[0]);
        least?.button.dispatchEvent(new Event("pointerenter"));
      });
    }
  }
}

/** What was not mapped, and the notes. */
function leftSide(told, texts) {
  const parts = [];
  if (told.unmapped.length > 0) {
    const list = make("ul", "unmapped");
    for (const one of told.unmapped) {
      const text = make("q", "", ...shown(one.text.length > 300 ? `${one.text.slice(0, 300)}…` : one.text));
      const item = make("li", "", make("span", "path", ...shown(one.field)), text, make("span", "quiet", one.why));
      const marked = texts.get(one.field);
      item.addEventListener("pointerenter", () => marked?.mark("pointed", one.at));
      item.addEventListener("pointerleave", () => marked?.mark("pointed", []));
      list.append(item);
    }
    parts.push(make("h4", "", `Not mapped (${told.unmapped.length})`), list);
  }
  for (const note of told.notes) {
    parts.push(make("p", "note", note.times > 1 ? `${note.words} (${note.times} times)` : note.words));
  }
  return parts;
}

/** Why a field has its value: for the panel at the foot of the page. */
export function reasons(field) {
  const { rule, source } = field;
  const by = { Google: "Google’s published mapping", decided: "decided by this project", option: "an option" }[rule.basis];
  const from = rule.name ? `${rule.source} ${rule.name}` : rule.source;
  const words = make("p", "", make("span", "arrow", "← "), rule.words);
  const what = [make("p", "path", field.path), make("p", "value", ...shown(cut(field.value)))];
  const where = make("p", "quiet", `${from} · ${by}`);
  if (!source) {
    return { what, rule: [words, where], source: [make("p", "quiet", "from no text of the record")] };
  }
  if (rule.source === "field" && source.text === field.value) {
    return { what, rule: [words, where], source: [make("p", "", make("span", "arrow", "← "), `all of ${source.field}, as it is`)] };
  }
  const text = make("p", "source", make("span", "arrow", "← "));
  const start = source.at[0]?.[0] ?? 0;
  const inner = source.at.length === 1 ? source.taken.map((span) => span.map((at) => at - start)) : [];
  new Marked(text, cut(source.text), inner).mark("taken", inner);
  return { what, rule: [words, where], source: [text, make("p", "quiet", source.field)] };
}

function cut(text) {
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
