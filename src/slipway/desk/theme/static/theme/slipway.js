// Small helps for those who have JavaScript; every page works without it.
"use strict";
(function () {
  // Keyboard: "/" to the page's filter, "g i" inbox, "g r" reviews, "j"/"k" rows, "?" help.
  var waiting = false, row = -1;
  function typing(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }
  function move(step) {
    var rows = document.querySelectorAll("main tbody tr");
    if (!rows.length) { return; }
    if (row >= 0 && rows[row]) { rows[row].classList.remove("sw-at"); }
    row = Math.max(0, Math.min(rows.length - 1, row + step));
    rows[row].classList.add("sw-at");
    var link = rows[row].querySelector("a[href]");
    if (link) { link.focus(); } else { rows[row].scrollIntoView({ block: "nearest" }); }
  }
  document.addEventListener("keydown", function (event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) { return; }
    if (waiting) {
      waiting = false;
      var to = { i: "/", r: "/reviews/" }[event.key];
      if (to) { event.preventDefault(); location.assign(to); }
      return;
    }
    if (event.key === "g") {
      waiting = true;
      setTimeout(function () { waiting = false; }, 1500);
    } else if (event.key === "/") {
      var field = document.querySelector("[data-filter], main input[type=search]");
      if (field) { event.preventDefault(); field.focus(); }
    } else if (event.key === "?") {
      event.preventDefault();
      location.assign("/keyboard/");
    } else if (event.key === "j" || event.key === "k") {
      move(event.key === "j" ? 1 : -1);
    }
  });

  // Local time on hover; the text stays UTC, which both sides of a review share.
  function localTimes(root) {
    root.querySelectorAll("time[datetime]").forEach(function (element) {
      var at = new Date(element.getAttribute("datetime"));
      if (!isNaN(at)) { element.title = at.toLocaleString() + " (your time)"; }
    });
  }

  // A button to copy what is shown once.
  function copyButtons(root) {
    if (!navigator.clipboard) { return; }
    root.querySelectorAll("[data-copy]").forEach(function (element) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "usa-button usa-button--outline";
      button.textContent = "Copy";
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(element.textContent.trim()).then(function () {
          button.textContent = "Copied";
        });
      });
      element.insertAdjacentElement("afterend", button);
    });
  }

  function dress(root) { localTimes(root); copyButtons(root); }
  dress(document);
  document.addEventListener("htmx:load", function (event) {
    if (event.detail.elt !== document.body) { dress(event.detail.elt); }
  });

  // A passkey that was refused, timed out or is not offered here: say so where people look.
  document.addEventListener("allauth.error", function () {
    var button = document.getElementById("passkey_login") || document.getElementById("mfa_webauthn_add");
    if (!button) { return; }
    var note = document.getElementById("sw-passkey-error") || document.createElement("p");
    note.id = "sw-passkey-error";
    note.className = "usa-error-message";
    note.setAttribute("role", "alert");
    note.textContent = "The passkey was not used. It may have been cancelled, or this browser or address does not offer it.";
    button.insertAdjacentElement("afterend", note);
  });

  // An error summary takes the focus, so that it is read first.
  var summary = document.querySelector(".sw-form-errors");
  if (summary) { summary.focus(); }
})();
