// The page: what is put in, what comes back, page by page.

import { card, make, reasons } from "./card.js";
import { Records } from "./records.js";

const PAGE = 25;
/** Texts longer than this are not put into the text box, which they would slow down. */
const IN_THE_BOX = 256 * 1024;

const SAMPLES = [
  '{"time":"2024-01-31T09:15:02Z","operator":"ada@duff.example","category_type":"User","action":"Update","operation_detail":"Update User bo@duff.example  - Department: from IT - Helpdesk to Sales - Display Name: set to Bo Lee - Plan: from Basic to Pro"}',
  '{"time":"2024-01-31 09:18:40","operator":"SCIM@Okta","category_type":"User","action":"Batch Update","operation_detail":"Change Role  - cy@duff.example: from Member to Admin - Schedule Privilege: [{\\"userId\\":\\"u-81\\",\\"assistant\\":\\"bo@duff.example\\"},{\\"userId\\":\\"u-82\\",\\"options\\":[\\"view\\",\\"edit\\"]}]","ip":"192.0.2.7"}',
  '{"operator":"ada@duff.example","category_type":"Account","action":"Update","operation_detail":"Security  - Personal Meeting ID (PMI) Passcode: from Off to On"}',
].join("\n");

const at = (id) => document.getElementById(id);
const box = at("records");

let files = [];
let records = new Records();
let filter = "all";
let page = 0;
let under = null;
let shownPlaces = [];
let unmark = () => {};

// What is put in.

function takeFiles(list) {
  const taken = Array.from(list);
  if (taken.length === 0) {
    return;
  }
  const show = (text) => {
    files = text === null ? taken : [];
    box.value = text ?? "";
    showFiles();
    run();
  };
  if (taken.length === 1 && taken[0].size <= IN_THE_BOX) {
    // What cannot be read here is sent, and refused there.
    taken[0].arrayBuffer().then(asText, () => null).then(show);
  } else {
    show(null);
  }
}

/** The text that bytes are; null where a text box would make other bytes of it. */
function asText(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\r") ? null : text;
  } catch {
    return null;
  }
}

function showFiles() {
  at("files").hidden = files.length === 0;
  box.hidden = files.length > 0;
  at("files").replaceChildren(...files.map((file) => {
    const remove = make("button", "", "Remove");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.addEventListener("click", () => {
      files = files.filter((other) => other !== file);
      showFiles();
      (files.length > 0 ? at("files").querySelector("button") : box).focus();
    });
    const size = file.size < 10_000 ? `${file.size} bytes` : `${Math.round(file.size / 1024).toLocaleString("en")} KiB`;
    return make("li", "", make("b", "", file.name), make("span", "quiet", size), remove);
  }));
}

function options() {
  const chosen = new URLSearchParams();
  for (const name of ["values", "case", "namespace"]) {
    chosen.set(name, at(name).value);
  }
  for (const name of ["clip", "event_id"]) {
    chosen.set(name, at(name).checked ? "1" : "0");
  }
  const time = at("default_time").value.trim();
  chosen.set("default_time", time === "now" ? new Date().toISOString() : time);
  for (const label of at("label").value.split(",")) {
    chosen.append("label", label.trim());
  }
  return chosen;
}

// What comes back.

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", bad);
}

async function run() {
  const inputs = files.length > 0 ? files.map((file) => [file.name, file]) : [["input", box.value]];
  if (files.length === 0 && box.value.trim() === "") {
    say("There is nothing to explain: paste records, open a file, or try the samples.", true);
    box.focus();
    return;
  }
  under?.abort();
  under = new AbortController();
  const { signal } = under;
  records = new Records();
  const mine = records;
  page = 0;
  setFilter("all");
  render();
  say("Reading…");
  at("results").setAttribute("aria-busy", "true");
  try {
    const chosen = options();
    for (const [name, body] of inputs) {
      await mine.ask(name, body, chosen, () => mine === records && progress(), signal);
    }
    say(summary(), mine.failures.length > 0);
  } catch (error) {
    if (signal.aborted) {
      return;
    }
    say(`That did not work: ${error.message}`, true);
  }
  at("results").removeAttribute("aria-busy");
  render();
}

/** Shows the first page as soon as it is full; the rest is counted. */
function progress() {
  if (shownPlaces.length < PAGE && page === 0) {
    render();
  } else {
    counts();
  }
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

function summary() {
  const parts = [`${plural(records.all.length, "record")}: ${plural(records.events, "event")}, ${records.reject.length.toLocaleString("en")} rejected`];
  if (records.more) {
    parts.push("there are more than the page takes; use zoom-udm explain for the rest");
  }
  return [...parts, ...records.failures].join("; ");
}

function setFilter(name) {
  filter = name;
  document.querySelector(`input[name=show][value=${name}]`).checked = true;
}

function counts() {
  const numbers = { all: records.all.length, left: records.left.length, reject: records.reject.length };
  for (const choice of document.querySelectorAll("input[name=show]")) {
    choice.parentElement.querySelector("b").textContent = numbers[choice.value].toLocaleString("en");
  }
  const pages = Math.max(1, Math.ceil(numbers[filter] / PAGE));
  at("pages").textContent = pages.toLocaleString("en");
  at("page").value = String(page + 1);
  at("pager").hidden = pages === 1;
  at("previous").disabled = page === 0;
  at("next").disabled = page + 1 >= pages;
  at("more").hidden = page + 1 >= pages;
  at("tools").hidden = numbers.all === 0;
  at("hint").hidden = records.events === 0;
  at("download").hidden = records.events === 0;
  return pages;
}

function render() {
  page = Math.min(page, counts() - 1);
  at("page").value = String(page + 1);
  const places = records.places(filter) ?? records.all.keys();
  shownPlaces = Array.from(places).slice(page * PAGE, (page + 1) * PAGE);
  closeWhy();
  const cards = shownPlaces.map((place) => card(records.read(place), place, tell));
  cards.forEach(({ item, fields }, index) => item.addEventListener("keydown", (pressed) => {
    const step = { PageDown: 1, PageUp: -1 }[pressed.key];
    if (!step || !fields.includes(document.activeElement)) {
      return;
    }
    pressed.preventDefault();
    const rest = step > 0 ? cards.slice(index + 1) : cards.slice(0, index).reverse();
    rest.find((other) => other.fields.length > 0)?.fields.find((field) => field.tabIndex === 0)?.focus();
  }));
  at("cards").replaceChildren(...cards.map(({ item }) => item));
}

function turn(to) {
  page = Math.max(0, to);
  render();
  at("results").focus({ preventScroll: true });
  at("results").scrollIntoView();
}

// Why a field has its value.

function tell(field, button, mark, undo) {
  unmark();
  mark();
  document.querySelector(".field.pointed")?.classList.remove("pointed");
  button.classList.add("pointed");
  unmark = () => {
    undo();
    unmark = () => {};
  };
  const { what, rule, source } = reasons(field);
  at("why-field").replaceChildren(...what);
  at("why-rule").replaceChildren(...rule);
  at("why-source").replaceChildren(...source);
  at("why").hidden = false;
}

function closeWhy() {
  unmark();
  document.querySelector(".field.pointed")?.classList.remove("pointed");
  at("why").hidden = true;
}

// The wiring.

at("explain").addEventListener("click", run);
at("open").addEventListener("click", () => at("pick").click());
at("pick").addEventListener("change", () => {
  takeFiles(at("pick").files);
  at("pick").value = "";
});
at("samples").addEventListener("click", () => {
  files = [];
  showFiles();
  box.value = SAMPLES;
  run();
});
at("clear").addEventListener("click", () => {
  under?.abort();
  files = [];
  showFiles();
  box.value = "";
  records = new Records();
  page = 0;
  setFilter("all");
  render();
  at("results").removeAttribute("aria-busy");
  say("Nothing yet: paste records, or try the samples.");
  box.focus();
});
at("download").addEventListener("click", () => {
  const link = make("a", "");
  link.href = URL.createObjectURL(records.download());
  link.download = "events.ndjson";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  say(`${plural(records.events, "event")} downloaded as events.ndjson`);
});
at("filter").addEventListener("change", (change) => {
  filter = change.target.value;
  page = 0;
  render();
});
at("previous").addEventListener("click", () => turn(page - 1));
at("next").addEventListener("click", () => turn(page + 1));
at("next-too").addEventListener("click", () => turn(page + 1));
at("page").addEventListener("change", () => turn((Number.parseInt(at("page").value, 10) || 1) - 1));
at("why-close").addEventListener("click", closeWhy);
document.addEventListener("keydown", (pressed) => {
  if (pressed.key === "Escape" && !at("why").hidden) {
    closeWhy();
  } else if (pressed.key === "Enter" && (pressed.ctrlKey || pressed.metaKey)) {
    pressed.preventDefault();
    run();
  }
});
box.addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text/plain");
  if (text.length > IN_THE_BOX) {
    event.preventDefault();
    takeFiles([new File([text], "pasted records")]);
  }
});
let over = 0;
const hasFiles = (event) => Array.from(event.dataTransfer?.types ?? []).includes("Files");
document.addEventListener("dragenter", (event) => {
  over += hasFiles(event) ? 1 : 0;
  at("drop").classList.toggle("over", over > 0);
});
document.addEventListener("dragleave", (event) => {
  over -= hasFiles(event) ? 1 : 0;
  at("drop").classList.toggle("over", over > 0);
});
document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  over = 0;
  at("drop").classList.remove("over");
  if (hasFiles(event)) {
    event.preventDefault();
    takeFiles(event.dataTransfer.files);
  }
});
