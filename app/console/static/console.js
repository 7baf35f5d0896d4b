// What htmx alone does not do: the session's token on every change, live signals, keyboard shortcuts, the countdown.
(() => {
  "use strict";

  const byId = (id) => document.getElementById(id);
  const cookie = (name) => document.cookie.split("; ").find((part) => part.startsWith(name + "="))?.slice(name.length + 1);

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") event.detail.headers["X-CSRF-Token"] = cookie("vs_csrf") ?? "";
  });

  // One line about what went wrong; it goes away by itself.
  let clearing;
  const fade = () => { clearTimeout(clearing); clearing = setTimeout(() => { byId("notice").textContent = ""; }, 8000); };
  const notice = (text) => { byId("notice").textContent = text; fade(); };
  document.addEventListener("htmx:sendError", () => notice(document.body.dataset.offline));
  document.addEventListener("htmx:timeout", () => notice(document.body.dataset.offline));
  document.addEventListener("htmx:beforeSwap", (event) => {
    const answer = event.detail.xhr;
    if ((answer.getResponseHeader("Content-Type") ?? "").startsWith("text/html")) return;
    event.detail.shouldSwap = false;
    if (answer.status < 400) { document.dispatchEvent(new CustomEvent("refresh")); return; }
    let said = document.body.dataset.offline;
    try { said = JSON.parse(answer.responseText).detail ?? said; } catch { /* no problem document */ }
    notice(said);
  });

  // Regions are fetched anew when a signal says that they may have changed: soon, but not for every signal.
  const waiting = new Map();
  const refresh = (id) => {
    if (!byId(id) || waiting.has(id)) return;
    waiting.set(id, setTimeout(() => { waiting.delete(id); if (byId(id)) htmx.trigger("#" + id, "stale"); }, 300));
  };
  const refreshAll = () => { refresh("list"); refresh("live"); if (byId("pane")?.dataset.call) refresh("pane"); };
  document.addEventListener("refresh", () => { refresh("live"); refresh("list"); });

  let source;
  const listen = () => {
    const address = document.querySelector("[data-events]")?.dataset.events;
    if (!address) return;
    source?.close();
    source = new EventSource(address);
    let known = false;
    source.addEventListener("open", () => { if (known) refreshAll(); known = true; document.body.dataset.live = "true"; });
    source.addEventListener("error", () => {
      document.body.dataset.live = "false";
      if (source.readyState === EventSource.CLOSED) setTimeout(() => { listen(); refreshAll(); }, 10000);
    });
    source.addEventListener("conversation.changed", (event) => {
      refresh("list");
      if (JSON.parse(event.data).conversation_id === byId("pane")?.dataset.conversation) refresh("live");
    });
    for (const name of ["call.answered", "call.ended"]) source.addEventListener(name, refreshAll);
    source.addEventListener("call.event", (event) => {
      if (JSON.parse(event.data).call_id === byId("pane")?.dataset.call) refresh("pane");
    });
  };

  // A refreshed conversation names the state of its other regions; those that differ are stale.
  const compareRegions = () => {
    for (const mark of document.querySelectorAll("#live [data-region]")) {
      const region = byId(mark.dataset.region);
      if (region && region.dataset.state !== mark.dataset.state) {
        region.dataset.state = mark.dataset.state;
        htmx.trigger(region, "stale");
      }
    }
  };

  // The keyboard: j and k or arrows move in the list, / searches, r answers, f opens the place for a file, Ctrl+Enter sends, Escape leaves a field.
  const move = (step) => {
    const rows = [...document.querySelectorAll("[data-row]")];
    rows[Math.min(Math.max(rows.indexOf(document.activeElement) + step, 0), rows.length - 1)]?.focus();
  };
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    "/": () => document.querySelector("[data-search]")?.focus(),
    r: () => document.querySelector("[data-composer] textarea")?.focus(),
    f: () => {
      const choice = byId("file-choice");
      if (choice) { choice.closest("details").open = true; choice.focus(); }
    },
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select");
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (event.target.matches("textarea") && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.target.form.requestSubmit();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrows = event.target.matches("[data-row]") ? { ArrowDown: () => move(1), ArrowUp: () => move(-1) } : {};
    const act = keys[event.key] ?? arrows[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  // Counts down what closes or is due.
  const unit = (value, name) =>
    new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  const words = (seconds) => {
    const minutes = Math.floor(seconds / 60);
    if (minutes >= 60) return unit(Math.floor(minutes / 60), "hour") + " " + unit(minutes % 60, "minute");
    return minutes ? unit(minutes, "minute") : unit(Math.floor(seconds), "second");
  };
  const tick = () => {
    for (const element of document.querySelectorAll("[data-until]")) {
      const left = (Date.parse(element.dataset.until) - Date.now()) / 1000;
      element.textContent = words(Math.abs(left));
      if (left > 0 || element.dataset.over) continue;
      element.dataset.over = "true";
      if ("staleAfter" in element.dataset) refresh("composer");
    }
  };

  // Who said to be on line is believed for three minutes, and says so again every minute.
  const sayAgain = () => { if (byId("presence")?.checked) htmx.trigger("#presence", "say-again"); };

  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-canned]") || !event.target.value) return;
    const text = event.target.form.querySelector("textarea");
    text.value = text.value ? text.value + "\n" + event.target.value : event.target.value;
    event.target.value = "";
    text.focus();
  });

  // After something came: the open row is marked, the thread stays at its end if the reader was there.
  let atEnd = true;
  let shown = "";
  document.addEventListener("htmx:beforeSwap", () => {
    const place = byId("thread");
    atEnd = !place || place.scrollHeight - place.scrollTop - place.clientHeight < 80;
  });
  const settle = () => {
    const place = byId("thread");
    const now = byId("pane")?.dataset.conversation ?? byId("pane")?.dataset.call ?? "";
    if (place && (atEnd || now !== shown)) place.scrollTop = place.scrollHeight;
    shown = now;
    for (const row of document.querySelectorAll("[data-row]")) {
      if (row.dataset.id === now) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
    }
    if (byId("notice").textContent.trim()) fade();
    compareRegions();
    tick();
  };
  document.addEventListener("htmx:afterSettle", settle);
  document.addEventListener("DOMContentLoaded", () => { listen(); settle(); setInterval(tick, 1000); setInterval(sayAgain, 60000); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshAll(); });
})();
