// What makes pages quicker where a browser runs scripts. Every page does its work without this file.
//
// Each function takes the elements with one attribute and adds one thing to them. No text is made here: what is said
// comes from the page, in its language. New content is the server's own pages, parsed by the browser as documents, so
// no string is ever turned into markup here (Trusted Types has nothing to trust).

// How the reader's own country writes the page's language; plain English as the server writes it.
const language = [...navigator.languages, "en-GB"].find((one) => one.startsWith(`${document.documentElement.lang}-`))
  ?? document.documentElement.lang;

/** Write times in the reader's zone: data-time="moment" in full, data-time="ago" as a distance that stays right. */
function times(root) {
  const full = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
  const zoned = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });
  for (const time of root.querySelectorAll("time[data-time]")) {
    const when = new Date(time.dateTime);
    time.title = zoned.format(when);
    if (time.dataset.time === "moment") time.textContent = full.format(when);
    if (time.dataset.time === "ago") time.textContent = distance(when) ?? time.textContent;
  }
}

function distance(when) {
  const seconds = (when - Date.now()) / 1000;
  const relative = new Intl.RelativeTimeFormat(language);
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    const much = Math.trunc(seconds / length);
    if (much !== 0) return Math.abs(seconds) > 30 * 86400 ? null : relative.format(much, unit);
  }
  return null;
}

/** data-copy="text": a button that puts the text on the clipboard, and says so for a moment (data-done). */
function copies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.done;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }
}

/** data-compare="fingerprint": a field that tells whether what was typed is the same (its output: data-same, data-differs). */
function comparisons(root) {
  const bare = (text) => text.replace(/\s+/g, "").replace(/^SHA256:/i, "").replace(/=+$/, "");
  for (const field of root.querySelectorAll("input[data-compare]")) {
    const output = document.getElementById(field.dataset.output);
    field.closest("[hidden]")?.removeAttribute("hidden");
    // Enter here must not send the form that says they are the same.
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
    field.addEventListener("input", () => {
      const typed = bare(field.value);
      const same = typed === bare(field.dataset.compare);
      output.textContent = typed === "" ? "" : same ? output.dataset.same : output.dataset.differs;
      output.className = typed === "" ? "" : same ? "remark good" : "remark bad";
    });
  }
}

/** Fetch one of our pages as a document. */
function fetchPage(address, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onload = () => (request.status === 200 && request.response ? resolve(request.response) : reject(request.status));
    request.onerror = () => reject(0);
    signal?.addEventListener("abort", () => { request.abort(); reject(0); });
    request.send();
  });
}

/** Put what a page has in the place of `region` there; give the new element, or null where the page has none. */
async function renew(region, address, signal) {
  const found = (await fetchPage(address, signal)).getElementById(region.id);
  if (found === null) return null;
  const known = new Set([...region.querySelectorAll("[data-key]")].map((row) => row.dataset.key));
  const opened = new Set([...region.querySelectorAll("details[open][id]")].map((one) => one.id));
  const fresh = document.adoptNode(found);
  for (const row of fresh.querySelectorAll("[data-key]")) {
    if (known.size > 0 && !known.has(row.dataset.key)) row.classList.add("fresh");
  }
  for (const one of fresh.querySelectorAll("details[id]")) one.open ||= opened.has(one.id);
  region.replaceWith(fresh);
  enhance(fresh);
  return fresh;
}

/**
 * data-live="/federation/events?…" and an id: the region is renewed from the page (or data-from) as events come, and
 * with data-poll="2000" also every so many milliseconds. It rests while somebody is within, and ends where the renewed
 * region has neither attribute any more. data-sign names an element that shows while the stream is open.
 */
function lives(root) {
  for (const region of [root, ...root.querySelectorAll("[data-live], [data-poll]")]) {
    if (region instanceof HTMLElement && (region.dataset.live || region.dataset.poll) && !followed.has(region.id)) follow(region);
  }
}

const followed = new Set();
const kinds = ["version_update", "source_verification", "federation_event", "health_change", "reset"];

function follow(first) {
  const address = first.dataset.from ?? window.location.href;
  const sign = document.getElementById(first.dataset.sign ?? "");
  let region = first;
  let waiting = 0;
  let stream = null;
  let clock = 0;
  followed.add(region.id);

  const stop = () => { stream?.close(); clearInterval(clock); followed.delete(region.id); };
  const look = async () => {
    waiting = 0;
    if (region.contains(document.activeElement) || document.hidden) { soon(1000); return; }
    try {
      region = (await renew(region, address)) ?? region;
      if (!region.dataset.live && !region.dataset.poll) stop();
      else pace();
    } catch { /* The next event tries again. */ }
  };
  const soon = (delay) => { waiting ||= setTimeout(look, delay); };
  // What is renewed may have begun to move, or come to rest.
  const pace = () => {
    clearInterval(clock);
    clock = region.dataset.poll ? setInterval(() => soon(0), Number(region.dataset.poll)) : 0;
  };

  if (first.dataset.live) {
    stream = new EventSource(first.dataset.live);
    stream.onopen = () => { if (sign) sign.hidden = false; };
    stream.onerror = () => { if (sign) sign.hidden = true; };
    for (const kind of kinds) stream.addEventListener(kind, () => soon(400));
  }
  pace();
  window.addEventListener("pagehide", stop, { once: true });
}

/**
 * data-search="id": a form whose list (the element of that id) is renewed while one types or chooses; from data-from,
 * where the form itself goes elsewhere.
 */
function searches(root) {
  for (const form of root.querySelectorAll("form[data-search]")) {
    let timer = 0;
    let running = new AbortController();
    const search = async () => {
      running.abort();
      running = new AbortController();
      // What stands as it stood at first is not asked for: empty fields, and first choices; nor what proves a session.
      const first = (field) => field instanceof HTMLSelectElement && field.selectedIndex === 0;
      const idle = (name) => name === "csrf" || first(form.elements[name]);
      const asked = new URLSearchParams([...new FormData(form)].filter(([name, value]) => value !== "" && !idle(name)));
      const address = new URL(form.dataset.from ?? form.action, window.location.href);
      address.search = asked;
      const fragment = new URL(address);
      fragment.searchParams.set("fragment", "list");
      const list = document.getElementById(form.dataset.search);
      try {
        const fresh = await renew(list, fragment, running.signal);
        history.replaceState(null, "", address);
        const status = document.getElementById(form.dataset.status);
        if (status && fresh) status.textContent = fresh.dataset.said ?? "";
      } catch { /* Superseded, or the node is away: the button still works. */ }
    };
    form.addEventListener("input", (event) => {
      clearTimeout(timer);
      timer = setTimeout(search, event.target instanceof HTMLSelectElement ? 0 : 180);
    });
  }
}

function enhance(root) {
  for (const add of [times, copies, comparisons, lives, searches]) add(root);
}

enhance(document.documentElement);
// Where the console's links do not fit beside each other, begin at the one where we are.
document.querySelector("nav.console [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
setInterval(() => times(document), 60_000);
