// Renders a record next to its event. Text from records is inserted only as text nodes, never as HTML.

/** Creates an element with a class and children: strings and elements. */
export function createElement(name, className, ...children) {
  const element = document.createElement(name);
  if (className) {
    element.className = className;
  }
  element.append(...children);
  return element;
}

/** Invisible characters and those that change the text direction; they are shown as escapes. */
const HIDDEN = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;
const HIDDEN_SPLIT = new RegExp(`(${HIDDEN.source})`, "u");
const SHORT_ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Returns text as nodes, with hidden characters as visible escapes. */
function escapeHidden(text) {
  if (!HIDDEN.test(text)) {
    return [text];
  }
  return text.split(HIDDEN_SPLIT).filter(Boolean).map((part) => {
    if (!HIDDEN.test(part)) {
      return part;
    }
    const escape = SHORT_ESCAPES[part] ?? `\\u{${part.codePointAt(0).toString(16)}}`;
    return createElement("span", "escape", escape);
  });
}

/** Like `escapeHidden`, but keeps line breaks. */
function escapeLines(text) {
  return text.split("\n").flatMap((line, index) => (index > 0 ? ["\n", ...escapeHidden(line)] : escapeHidden(line)));
}

/** Text split into one element per segment, so that any of the given spans can be highlighted. */
class HighlightedText {
  constructor(element, text, spans) {
    const characters = Array.from(text);
    const cuts = new Set([0, characters.length]);
    for (const [start, end] of spans) {
      cuts.add(Math.min(start, characters.length)).add(Math.min(end, characters.length));
    }
    const offsets = [...cuts].sort((one, other) => one - other);
    this.length = characters.length;
    this.segments = [];
    /** Segment index by start offset. */
    this.segmentAt = new Map(offsets.map((offset, index) => [offset, index]));
    for (let index = 0; index + 1 < offsets.length; index += 1) {
      const [start, end] = [offsets[index], offsets[index + 1]];
      const span = createElement("span", "", ...escapeHidden(characters.slice(start, end).join("")));
      this.segments.push({ start, end, span });
      element.append(span);
    }
  }

  /** Adds a class to the segments inside the spans, which must be among those given to the constructor, and removes it from all others. */
  highlight(className, spans) {
    const changes = new Array(this.segments.length + 1).fill(0);
    for (const [from, to] of spans) {
      changes[this.segmentAt.get(Math.min(from, this.length))] += 1;
      changes[this.segmentAt.get(Math.min(to, this.length))] -= 1;
    }
    let depth = 0;
    this.segments.forEach(({ span }, index) => {
      depth += changes[index];
      span.classList.toggle(className, depth > 0);
    });
  }
}

/** Yields event fields, with the key and value of a label combined into one. */
function* combineLabels(fills) {
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

/** Creates the card of one record. `onSelect` is called when a field is selected. */
export function createCard(explanation, index, onSelect) {
  const item = createElement("li", explanation.reject ? "card rejected" : "card");
  const title = createElement("h3", "", `Record ${index + 1}`);
  const position = createElement("span", "quiet", `${explanation.name}, line ${explanation.line}, byte ${explanation.offset}`);
  const head = createElement("header", "", title, position);
  item.append(head);
  title.id = `record-${index}`;
  const article = createElement("article", "");
  article.setAttribute("aria-labelledby", title.id);
  article.append(...item.childNodes);
  item.append(article);
  if (explanation.reject) {
    head.append(createElement("span", "badge bad", "rejected"));
    article.append(renderReject(explanation));
    return { item, fields: [] };
  }
  const type = explanation.fills.find((fill) => /^metadata\.event_?type$/i.test(fill.path));
  head.append(createElement("span", "badge", ...escapeHidden(type?.value ?? "event")));
  return { item, fields: renderExplanation(explanation, index, article, onSelect) };
}

function renderReject(explanation) {
  const { reason, found, expected, hint } = explanation.reject;
  const facts = createElement("dl", "facts");
  for (const [name, text] of [["Problem", found], ["Expected", expected], ["What to do", hint]]) {
    facts.append(createElement("dt", "", name), createElement("dd", "", ...escapeHidden(text)));
  }
  const raw = createElement("pre", "raw", ...escapeLines(rawText(explanation)));
  raw.tabIndex = 0;
  raw.setAttribute("aria-label", "Raw record");
  return createElement("div", "reject", createElement("p", "reason", createElement("code", "", reason)), facts, raw);
}

function rawText(explanation) {
  if (explanation.record !== undefined) {
    return explanation.record;
  }
  const bytes = Uint8Array.from(atob(explanation.record_base64 ?? explanation.record_start_base64), (byte) => byte.charCodeAt(0));
  return new TextDecoder().decode(bytes) + (explanation.record_start_base64 ? "…" : "");
}

function renderExplanation(explanation, index, article, onSelect) {
  const texts = new Map();
  const record = recordPanel(explanation, texts);
  const select = (field, button) => {
    const text = texts.get(field.source?.field);
    const highlight = ({ at, taken }) => {
      text?.highlight("at", at);
      text?.highlight("taken", taken);
    };
    onSelect(field, button, () => field.source && highlight(field.source), () => highlight({ at: [], taken: [] }));
  };
  const { side, buttons } = eventPanel(explanation, index, select);
  selectFromRecord(texts, buttons);
  const unmapped = unmappedPanel(explanation, texts);
  article.append(createElement("div", "sides", createElement("section", "side", record, ...unmapped), side));
  return buttons.map(({ button }) => button);
}

/** Groups sources or unmapped parts by record field. */
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

/** Renders the record fields, with mapped and unmapped text highlighted. */
function recordPanel(explanation, texts) {
  const list = createElement("dl", "record");
  const last = new Map(explanation.members.map((member, index) => [member.name, index]));
  const taken = byField(explanation.fills.map((fill) => fill.source).filter(Boolean));
  const unmapped = byField(explanation.unmapped);
  explanation.members.forEach((member, index) => {
    const partsOf = (parts) => (last.get(member.name) === index && parts.get(member.name)) || [];
    const sources = partsOf(taken);
    const unmappedParts = partsOf(unmapped);
    const spans = [...sources.flatMap(({ at, taken }) => [...at, ...taken]), ...unmappedParts.flatMap(({ at }) => at)];
    const text = createElement("dd", "");
    const highlighted = new HighlightedText(text, member.text, spans);
    const isEntireText = ([start, end]) => start === 0 && end === highlighted.length;
    const parts = sources.flatMap(({ taken }) => taken).filter((span) => member.name !== "operation_detail" || !isEntireText(span));
    highlighted.highlight("used", parts);
    highlighted.highlight("unmapped-text", unmappedParts.flatMap(({ at }) => (at.length > 0 ? at : [[0, highlighted.length]])));
    if (last.get(member.name) === index) {
      texts.set(member.name, highlighted);
    }
    list.append(createElement("dt", "", ...escapeHidden(member.name)), text);
  });
  const raw = createElement("pre", "raw", ...escapeLines(rawText(explanation)));
  raw.tabIndex = 0;
  raw.setAttribute("aria-label", "Raw record");
  const details = createElement("details", "raw-record", createElement("summary", "", "Raw record"), raw);
  return createElement("div", "", createElement("h4", "", "Record"), list, details);
}

/** Renders the event: a group per UDM noun and a button per field. Only one button is in the tab order. */
function eventPanel(explanation, recordIndex, onSelect) {
  const side = createElement("section", "side event", createElement("h4", "", "Event"));
  const buttons = [];
  let group = null;
  for (const field of combineLabels(explanation.fills)) {
    const [, noun, rest] = /^([^.]+)\.(.*)$/su.exec(field.path) ?? [null, "", field.path];
    if (group?.noun !== noun) {
      const list = createElement("ul", "fields");
      const name = createElement("h5", "", noun);
      name.id = `group-${recordIndex}-${noun}`;
      list.setAttribute("aria-labelledby", name.id);
      side.append(name, list);
      group = { noun, list };
    }
    const path = createElement("span", "path", createElement("span", "visually-hidden", `${noun}.`), rest);
    const button = createElement("button", "field", path, createElement("span", "value", ...escapeHidden(field.value)));
    button.type = "button";
    button.tabIndex = buttons.length === 0 ? 0 : -1;
    button.setAttribute("aria-describedby", "why-rule why-source");
    button.classList.toggle("constant", field.rule.source === "constant" || field.rule.source === "option");
    for (const type of ["focus", "pointerenter", "click"]) {
      button.addEventListener(type, () => onSelect(field, button));
    }
    group.list.append(createElement("li", "", button));
    buttons.push({ field, button });
  }
  side.addEventListener("keydown", (event) => moveFocus(event, buttons.map(({ button }) => button)));
  return { side, buttons };
}

/** Moves the focus between fields with the arrow keys, Home and End. */
function moveFocus(event, buttons) {
  const current = buttons.indexOf(document.activeElement);
  const target = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (current < 0 || target === undefined || event.ctrlKey || event.altKey || event.metaKey) {
    return;
  }
  event.preventDefault();
  const next = buttons[Math.max(0, Math.min(target, buttons.length - 1))];
  buttons[current].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

/** Pointing at record text selects the event field with the narrowest source around it. */
function selectFromRecord(texts, buttons) {
  const width = (spans) => spans.reduce((sum, [start, end]) => sum + end - start, 0);
  for (const [name, text] of texts) {
    const candidates = buttons.filter(({ field }) => field.source?.field === name);
    for (const { start, end, span } of text.segments) {
      const contains = ([from, to]) => from <= start && end <= to;
      // Searched on demand because a record can have thousands of segments and fields.
      span.addEventListener("pointerenter", () => {
        const matches = candidates.filter(({ field }) => field.source.at.some(contains));
        const narrowest = matches.reduce((one, other) => (width(other.field.source.at) < width(one.field.source.at) ? other : one), matches[0]);
        narrowest?.button.dispatchEvent(new Event("pointerenter"));
      });
    }
  }
}

/** Lists unmapped text and mapping notes. */
function unmappedPanel(explanation, texts) {
  const parts = [];
  if (explanation.unmapped.length > 0) {
    const list = createElement("ul", "unmapped");
    for (const part of explanation.unmapped) {
      const text = createElement("q", "", ...escapeHidden(part.text.length > 300 ? `${part.text.slice(0, 300)}…` : part.text));
      const item = createElement("li", "", createElement("span", "path", ...escapeHidden(part.field)), text, createElement("span", "quiet", part.why));
      const highlighted = texts.get(part.field);
      item.addEventListener("pointerenter", () => highlighted?.highlight("pointed", part.at));
      item.addEventListener("pointerleave", () => highlighted?.highlight("pointed", []));
      list.append(item);
    }
    parts.push(createElement("h4", "", `Not mapped (${explanation.unmapped.length})`), list);
  }
  for (const note of explanation.notes) {
    parts.push(createElement("p", "note", note.times > 1 ? `${note.words} (${note.times} times)` : note.words));
  }
  return parts;
}

/** Returns the value, rule and source of a field as nodes for the panel at the bottom of the page. */
export function fieldReasons(field) {
  const { rule, source } = field;
  const basis = { Google: "Google’s published mapping", decided: "this project’s choice", option: "option" }[rule.basis];
  const origin = rule.name ? `${rule.source} ${rule.name}` : rule.source;
  const words = createElement("p", "", createElement("span", "arrow", "← "), rule.words);
  const value = [createElement("p", "path", field.path), createElement("p", "value", ...escapeHidden(truncate(field.value)))];
  const ruleOrigin = createElement("p", "quiet", `${origin} · ${basis}`);
  if (!source) {
    return { value, rule: [words, ruleOrigin], source: [createElement("p", "quiet", "not taken from the record")] };
  }
  if (rule.source === "field" && source.text === field.value) {
    return { value, rule: [words, ruleOrigin], source: [createElement("p", "", createElement("span", "arrow", "← "), `${source.field}, unchanged`)] };
  }
  const text = createElement("p", "source", createElement("span", "arrow", "← "));
  const start = source.at[0]?.[0] ?? 0;
  const inner = source.at.length === 1 ? source.taken.map((span) => span.map((at) => at - start)) : [];
  new HighlightedText(text, truncate(source.text), inner).highlight("taken", inner);
  return { value, rule: [words, ruleOrigin], source: [text, createElement("p", "quiet", source.field)] };
}

function truncate(text) {
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}
