"use strict";
(function () {
  var root = document.documentElement, key = "clipbounds-theme";
  function kept() { try { return localStorage.getItem(key); } catch (error) { return null; } }
  function keep(value) { try { localStorage.setItem(key, value); } catch (error) { /* private mode */ } }
  function dark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }
  var theme = kept();
  if (theme === "dark" || theme === "light") { root.dataset.theme = theme; }

  document.addEventListener("DOMContentLoaded", function () {
    var button = document.getElementById("theme");
    if (button) {
      var label = function () { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours"); };
      button.hidden = false;
      label();
      button.addEventListener("click", function () {
        root.dataset.theme = dark() ? "light" : "dark";
        keep(root.dataset.theme);
        label();
      });
    }

    // What scrolls sideways must be reachable by keyboard; what does not scroll must not be a stop on the way.
    var boxes = document.querySelectorAll(".scroll, .display, .statement li, .claim > div, figure, pre");
    var mark = function () {
      boxes.forEach(function (box) {
        if (box.scrollWidth > box.clientWidth + 1) { box.tabIndex = 0; } else { box.removeAttribute("tabindex"); }
      });
    };
    mark();
    addEventListener("resize", mark);
    document.querySelectorAll("details").forEach(function (d) { d.addEventListener("toggle", mark); });

    var form = document.getElementById("filter");
    if (!form) { return; }
    form.hidden = false;
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    var rows = document.querySelectorAll("tr[data-find]"), count = document.getElementById("count");
    var apply = function () {
      var words = form.elements.q.value.toLowerCase().split(/\s+/).filter(Boolean);
      var verdict = form.elements.verdict.value, only = form.elements.only.value, shown = 0, total = 0;
      rows.forEach(function (row) {
        var fits = words.every(function (word) { return row.dataset.find.indexOf(word) >= 0; }) &&
          (!verdict || row.dataset.verdict === verdict) &&
          (!only || (" " + row.dataset.marks + " ").indexOf(" " + only + " ") >= 0);
        row.hidden = !fits;
        if (row.dataset.kind === "statement") { total += 1; shown += fits ? 1 : 0; }
      });
      var noun = total === 1 ? " statement" : " statements";
      count.textContent = shown === total ? total + noun : shown + " of " + total + noun;
      document.querySelectorAll("section[data-rows]").forEach(function (part) {
        part.querySelector(".none").hidden = part.querySelectorAll("tr[data-find]:not([hidden])").length > 0;
      });
      mark();
    };
    form.addEventListener("input", apply);
    form.addEventListener("reset", function () { setTimeout(apply, 0); });
    apply();
  });
})();
