// The page: reads input, posts it to /explain, and renders the results page by page.

import { createCard, createElement, fieldReasons } from "./card.js";
import { Records } from "./records.js";

/** Records per page. */
const PAGE_SIZE = 25;
/** Inputs of more bytes are kept as files because they would slow down the text box. */
const MAX_TEXTAREA_BYTES = 256 * 1024;

const SAMPLES = [
  '{"time":"2024-01-31T09:15:02Z","operator":"ada@duff.example","category_type":"User","action":"Update","operation_detail":"Update User bo@duff.example  - Department: from IT - Helpdesk to Sales - Display Name: set to Bo Lee - Plan: from Basic to Pro"}',
  '{"time":"2024-01-31 09:18:40","operator":"SCIM@Okta","category_type":"User","action":"Batch Update","operation_detail":"Change Role  - cy@duff.example: from Member to Admin - Schedule Privilege: [{\\"userId\\":\\"u-81\\",\\"assistant\\":\\"bo@duff.example\\"},{\\"userId\\":\\"u-82\\",\\"options\\":[\\"view\\",\\"edit\\"]}]","ip":"192.0.2.7"}',
  '{"operator":"ada@duff.example","category_type":"Account","action":"Update","operation_detail":"Security  - Personal Meeting ID (PMI) Passcode: from Off to On"}',
  '{"email":"bo@duff.example","time":"2024-01-31T09:20:11Z","type":"Sign in","ip_address":"192.0.2.8","client_type":"Browser","version":"5.9.1.2581"}',
  '{"event":"user.settings_updated","event_ts":1706692871000,"payload":{"account_id":"A1","operator":"ada@duff.example","object":{"id":"u-81","settings":{"in_meeting":{"chat":false}}},"old_object":{"id":"u-81","settings":{"in_meeting":{"chat":true}}}}}',
].join("\n");

const byId = (id) => document.getElementById(id);
const textarea = byId("records");

let files = [];
let records = new Records();
let filter = "all";
let page = 0;
/** Aborts the running request. */
let controller = null;
/** Indexes of the records on the current page. */
let visibleIndexes = [];
let clearHighlight = () => {};

// Input.

function loadFiles(list) {
  const selected = Array.from(list);
  if (selected.length === 0) {
    return;
  }
  const show = (text) => {
    files = text === null ? selected : [];
    textarea.value = text ?? "";
    showFiles();
    run();
  };
  if (selected.length === 1 && selected[0].size <= MAX_TEXTAREA_BYTES) {
    // A file that the browser cannot read is posted anyway, so that the failure is reported.
    selected[0].arrayBuffer().then(decodeText, () => null).then(show);
  } else {
    show(null);
  }
}

/** Returns the decoded text, or null if a text box would not preserve the bytes. */
function decodeText(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\r") ? null : text;
  } catch {
    return null;
  }
}

function showFiles() {
  byId("files").hidden = files.length === 0;
  textarea.hidden = files.length > 0;
  byId("files").replaceChildren(...files.map((file) => {
    const remove = createElement("button", "", "Remove");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.addEventListener("click", () => {
      files = files.filter((other) => other !== file);
      showFiles();
      (files.length > 0 ? byId("files").querySelector("button") : textarea).focus();
    });
    const size = file.size < 10_000 ? `${file.size} bytes` : `${Math.round(file.size / 1024).toLocaleString("en")} KiB`;
    return createElement("li", "", createElement("b", "", file.name), createElement("span", "quiet", size), remove);
  }));
}

function readOptions() {
  const params = new URLSearchParams();
  for (const name of ["values", "case", "namespace"]) {
    params.set(name, byId(name).value);
  }
  for (const name of ["clip", "enrich", "event_id"]) {
    params.set(name, byId(name).checked ? "1" : "0");
  }
  const time = byId("default_time").value.trim();
  params.set("default_time", time === "now" ? new Date().toISOString() : time);
  for (const label of byId("label").value.split(",")) {
    params.append("label", label.trim());
  }
  return params;
}

// Results.

function setStatus(text, isError = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("bad", isError);
}

async function run() {
  const inputs = files.length > 0 ? files.map((file) => [file.name, file]) : [["input", textarea.value]];
  if (files.length === 0 && textarea.value.trim() === "") {
    setStatus("No records to explain. Paste records, open a file, or use the sample records.", true);
    textarea.focus();
    return;
  }
  controller?.abort();
  controller = new AbortController();
  const { signal } = controller;
  records = new Records();
  const current = records;
  page = 0;
  setFilter("all");
  render();
  setStatus("Processing…");
  byId("results").setAttribute("aria-busy", "true");
  try {
    const options = readOptions();
    for (const [name, body] of inputs) {
      await current.fetch(name, body, options, () => current === records && showProgress(), signal);
    }
    setStatus(summary(), current.failures.length > 0);
  } catch (error) {
    if (signal.aborted) {
      return;
    }
    setStatus(`Request failed: ${error.message}`, true);
  }
  byId("results").removeAttribute("aria-busy");
  render();
}

/** Renders the first page until it is full, then only updates the counts. */
function showProgress() {
  if (visibleIndexes.length < PAGE_SIZE && page === 0) {
    render();
  } else {
    updateCounts();
  }
}

function plural(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** Returns counts by name in parentheses; empty if there is none. */
function listCounts(counts) {
  const parts = Array.from(counts, ([name, count]) => `${name} ${count.toLocaleString("en")}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function summary() {
  // Kinds are of interest only if there are others than operation logs.
  const kinds = records.kinds.size > 1 || !records.kinds.has("operation") ? listCounts(records.kinds) : "";
  const events = `${plural(records.events, "event")}${kinds}`;
  const rejected = `${records.rejected.length.toLocaleString("en")} rejected${listCounts(records.reasons)}`;
  const parts = [`${plural(records.all.length, "record")}: ${events}, ${rejected}`];
  if (records.more) {
    parts.push("more records than the page can show; use zoom-udm explain for the rest");
  }
  return [...parts, ...records.failures].join("; ");
}

function setFilter(name) {
  filter = name;
  document.querySelector(`input[name=show][value=${name}]`).checked = true;
}

/** Updates counts, pagination and visibility; returns the number of pages. */
function updateCounts() {
  const counts = { all: records.all.length, unmapped: records.unmapped.length, rejected: records.rejected.length };
  for (const choice of document.querySelectorAll("input[name=show]")) {
    choice.parentElement.querySelector("b").textContent = counts[choice.value].toLocaleString("en");
  }
  const pages = Math.max(1, Math.ceil(counts[filter] / PAGE_SIZE));
  byId("pages").textContent = pages.toLocaleString("en");
  byId("page").value = String(page + 1);
  byId("pager").hidden = pages === 1;
  byId("previous").disabled = page === 0;
  byId("next").disabled = page + 1 >= pages;
  byId("bottom-pager").hidden = page + 1 >= pages;
  byId("tools").hidden = counts.all === 0;
  byId("hint").hidden = records.events === 0;
  byId("download").hidden = records.events === 0;
  return pages;
}

function render() {
  page = Math.min(page, updateCounts() - 1);
  byId("page").value = String(page + 1);
  const indexes = records.indexes(filter) ?? records.all.keys();
  visibleIndexes = Array.from(indexes).slice(page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
  closeReasons();
  const cards = visibleIndexes.map((index) => createCard(records.parse(index), index, showReasons));
  cards.forEach(({ item, fields }, index) => item.addEventListener("keydown", (event) => {
    const step = { PageDown: 1, PageUp: -1 }[event.key];
    if (!step || !fields.includes(document.activeElement)) {
      return;
    }
    event.preventDefault();
    const rest = step > 0 ? cards.slice(index + 1) : cards.slice(0, index).reverse();
    rest.find((other) => other.fields.length > 0)?.fields.find((field) => field.tabIndex === 0)?.focus();
  }));
  byId("cards").replaceChildren(...cards.map(({ item }) => item));
}

function goToPage(index) {
  page = Math.max(0, index);
  render();
  byId("results").focus({ preventScroll: true });
  byId("results").scrollIntoView();
}

// The rule and source of a field.

function showReasons(field, button, highlight, undo) {
  clearHighlight();
  highlight();
  document.querySelector(".field.pointed")?.classList.remove("pointed");
  button.classList.add("pointed");
  clearHighlight = () => {
    undo();
    clearHighlight = () => {};
  };
  const { value, rule, source } = fieldReasons(field);
  byId("why-field").replaceChildren(...value);
  byId("why-rule").replaceChildren(...rule);
  byId("why-source").replaceChildren(...source);
  byId("why").hidden = false;
}

function closeReasons() {
  clearHighlight();
  document.querySelector(".field.pointed")?.classList.remove("pointed");
  byId("why").hidden = true;
}

// Event listeners.

byId("explain").addEventListener("click", run);
byId("open").addEventListener("click", () => byId("file-input").click());
byId("file-input").addEventListener("change", () => {
  loadFiles(byId("file-input").files);
  byId("file-input").value = "";
});
byId("samples").addEventListener("click", () => {
  files = [];
  showFiles();
  textarea.value = SAMPLES;
  run();
});
byId("clear").addEventListener("click", () => {
  controller?.abort();
  files = [];
  showFiles();
  textarea.value = "";
  records = new Records();
  page = 0;
  setFilter("all");
  render();
  byId("results").removeAttribute("aria-busy");
  setStatus("No records yet. Paste records or use the sample records.");
  textarea.focus();
});
byId("download").addEventListener("click", () => {
  const link = createElement("a", "");
  link.href = URL.createObjectURL(records.download());
  link.download = "events.ndjson";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  setStatus(`Downloaded ${plural(records.events, "event")} as events.ndjson`);
});
byId("filter").addEventListener("change", (event) => {
  filter = event.target.value;
  page = 0;
  render();
});
byId("previous").addEventListener("click", () => goToPage(page - 1));
byId("next").addEventListener("click", () => goToPage(page + 1));
byId("next-bottom").addEventListener("click", () => goToPage(page + 1));
byId("page").addEventListener("change", () => goToPage((Number.parseInt(byId("page").value, 10) || 1) - 1));
byId("why-close").addEventListener("click", closeReasons);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("why").hidden) {
    closeReasons();
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
textarea.addEventListener("paste", (event) => {
  const text = event.clipboardData.getData("text/plain");
  if (text.length > MAX_TEXTAREA_BYTES) {
    event.preventDefault();
    loadFiles([new File([text], "pasted records")]);
  }
});
/** Nesting depth of dragenter events; zero outside the page. */
let dragDepth = 0;
const hasFiles = (event) => Array.from(event.dataTransfer?.types ?? []).includes("Files");
document.addEventListener("dragenter", (event) => {
  dragDepth += hasFiles(event) ? 1 : 0;
  byId("drop").classList.toggle("over", dragDepth > 0);
});
document.addEventListener("dragleave", (event) => {
  dragDepth -= hasFiles(event) ? 1 : 0;
  byId("drop").classList.toggle("over", dragDepth > 0);
});
document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
document.addEventListener("drop", (event) => {
  dragDepth = 0;
  byId("drop").classList.remove("over");
  if (hasFiles(event)) {
    event.preventDefault();
    loadFiles(event.dataTransfer.files);
  }
});
