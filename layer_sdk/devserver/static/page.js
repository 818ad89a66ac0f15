// What the pages do with JavaScript beyond htmx: they stay up to date, and they listen to keys.
// Nothing that was recorded is ever run or parsed here but as the HTML that this server made of it.
"use strict";

(() => {
  const live = document.getElementById("live");
  const watched = document.getElementById("main").dataset.watch;
  const served = new WeakMap(); // each live element, with the HTML that the server gave for it

  // ---- staying up to date: the server says that something changed, and this page fetches itself anew

  function children(holder) {
    return holder.dataset.live === "rows" ? [...holder.children] : [holder];
  }

  function remember() {
    for (const holder of document.querySelectorAll("[data-live]")) {
      for (const element of children(holder)) {
        if (!served.has(element)) served.set(element, element.outerHTML);
      }
    }
  }

  function replace(old, fresh) {
    const html = fresh.outerHTML;
    if (served.get(old) === html) return old;
    const focus = old.contains(document.activeElement) && document.activeElement.id;
    const made = document.importNode(fresh, true);
    const folds = made.querySelectorAll("details");
    old.querySelectorAll("details").forEach((fold, index) => { if (folds[index]) folds[index].open = fold.open; });
    const raw = old.querySelector(".raw");
    if (raw && raw.firstChild) made.querySelector(".raw").replaceWith(raw);
    served.set(made, html);
    old.replaceWith(made);
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
    return made;
  }

  function mergeRows(holder, fresh) {
    const kept = new Set();
    let before = null;
    for (const row of fresh.children) {
      let mine = document.getElementById(row.id);
      if (mine && mine.parentNode === holder) {
        mine = replace(mine, row);
      } else {
        mine = document.importNode(row, true);
        served.set(mine, row.outerHTML);
        mine.classList.add("is-new");
      }
      const place = before ? before.nextElementSibling : holder.firstElementChild;
      if (place !== mine) holder.insertBefore(mine, place);
      kept.add(mine);
      before = mine;
    }
    for (const row of [...holder.children]) if (!kept.has(row)) row.remove();
    const table = holder.closest("table");
    if (table) table.hidden = !holder.children.length;
  }

  function merge(page) {
    for (const fresh of page.querySelectorAll("[data-live]")) {
      const mine = document.getElementById(fresh.id);
      if (!mine) continue;
      if (fresh.dataset.live === "rows") mergeRows(mine, fresh);
      else replace(mine, fresh);
    }
    localCopyButtons();
  }

  let isRefreshing = false;
  let isStale = false;

  async function refresh() {
    isStale = true;
    if (isRefreshing) return;
    isRefreshing = true;
    while (isStale) {
      isStale = false;
      const address = location.href;
      try {
        const answer = await fetch(address.split("#")[0], { credentials: "same-origin", cache: "no-store" });
        const html = await answer.text();
        if (address !== location.href) isStale = true;
        else if (answer.ok) merge(new DOMParser().parseFromString(html, "text/html"));
      } catch {
        break; // the stream of events notices, too, and comes back when the server does
      }
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    isRefreshing = false;
  }

  let source = null;
  let wait = 1000;

  function say(text, state) {
    live.hidden = false;
    if (live.textContent !== text) live.textContent = text;
    live.dataset.state = state;
  }

  function connect() {
    if (source || document.hidden) return;
    source = new EventSource("/dev/events?session=" + encodeURIComponent(watched));
    source.addEventListener("hello", () => { wait = 1000; say("Live", "on"); refresh(); });
    source.addEventListener("change", refresh);
    source.onerror = () => {
      say("Reconnecting", "off");
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(connect, wait);
        wait = Math.min(wait * 2, 30000);
      }
    };
  }

  if (watched !== undefined && "EventSource" in window) {
    remember();
    document.body.addEventListener("htmx:afterSwap", remember);
    // A browser opens six connections to a server: pages that nobody sees must not hold them.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) connect();
      else if (source) { source.close(); source = null; }
    });
    addEventListener("pagehide", () => { if (source) { source.close(); source = null; } });
    addEventListener("pageshow", connect);
    connect();
  }

  // ---- keys

  const isOn = () => { try { return localStorage.getItem("layer-keys") !== "off"; } catch { return true; } };
  const items = () => [...document.querySelectorAll("[data-item]")];

  function step(by) {
    const all = items();
    if (!all.length) return;
    const at = all.findIndex((item) => item.contains(document.activeElement));
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
    all[next].focus();
    (all[next].closest("tr") || all[next]).scrollIntoView({ block: "nearest" });
  }

  function current() {
    const item = document.activeElement && document.activeElement.closest("article[data-item]");
    return item || document.querySelector("article[data-item]");
  }

  function toggleJson(link) {
    const article = link.closest("article");
    const raw = article.querySelector(".raw");
    const isOpen = raw.firstChild !== null;
    link.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) raw.replaceChildren();
    else htmx.ajax("GET", link.dataset.json, { target: raw, swap: "innerHTML" });
  }

  function showKeys() {
    const dialog = document.getElementById("keys");
    if (!dialog.open) dialog.showModal();
  }

  const actions = {
    "/": () => { const field = document.getElementById("q"); if (!field) return false; field.focus(); field.select(); },
    "?": showKeys,
    n: () => step(1),
    p: () => step(-1),
    g: () => { location.href = "/"; },
    j: () => { const link = current()?.querySelector("a.json"); if (!link) return false; toggleJson(link); },
    c: () => { const link = current()?.querySelector("a.copy-as"); if (!link) return false; location.href = link.href; },
  };

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById("keys").open) return;
    if (event.key === "Escape" && target.id === "q") { target.blur(); return; }
    if (target.closest("input:not([type=checkbox]), select, textarea")) return;
    const isItem = target.matches("[data-item]");
    if (isItem && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      step(event.key === "ArrowDown" ? 1 : -1);
      event.preventDefault();
    } else if (Object.hasOwn(actions, event.key) && isOn() && actions[event.key]() !== false) {
      event.preventDefault();
    }
  });

  // ---- clicks

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const link = event.target.closest("a");
    if (link && link.id === "keys-link") { event.preventDefault(); showKeys(); }
    else if (link && link.dataset.json) { event.preventDefault(); toggleJson(link); }
    const button = event.target.closest("button[data-copy]");
    if (button) copy(button);
  });

  async function copy(button) {
    const block = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "Copied";
    } catch {
      // Over plain http from another machine a browser lets no script copy: so it is selected, to be copied by hand.
      getSelection().selectAllChildren(block);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  function localCopyButtons() {
    for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
  }

  // ---- what is there only with JavaScript

  document.documentElement.classList.add("js");
  localCopyButtons();
  for (const one of document.querySelectorAll("[data-keys-switch]")) {
    const box = one.querySelector("input");
    one.hidden = false;
    box.checked = isOn();
    box.addEventListener("change", () => { try { localStorage.setItem("layer-keys", box.checked ? "on" : "off"); } catch { /* then it is on */ } });
  }
  for (const form of document.querySelectorAll("form[data-submits]")) form.addEventListener("change", () => form.submit());
})();
