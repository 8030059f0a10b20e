"use strict";
// Opens the cashier as a modal on any site: Cashier.open({url, action}) gives a promise of its end.
// `url` comes from POST /v1/sessions; `action` is "deposit", "withdraw" or "history".
window.Cashier = {
  open({ url, action }) {
    const target = new URL(url);
    if (action) target.hash += `&action=${encodeURIComponent(action)}`;
    const dialog = document.createElement("dialog");
    const frame = document.createElement("iframe");
    dialog.setAttribute("aria-label", "Cashier");
    Object.assign(dialog.style, {
      padding: "0", border: "0", borderRadius: "16px", width: "min(46rem, 100vw)", height: "min(52rem, 100dvh)",
      maxWidth: "100vw", maxHeight: "100dvh", overflow: "hidden",
    });
    Object.assign(frame.style, { border: "0", width: "100%", height: "100%", display: "block" });
    frame.title = "Cashier";
    frame.allow = "clipboard-write";
    frame.referrerPolicy = "strict-origin";
    frame.src = target.href;
    dialog.append(frame);
    document.body.append(dialog);
    return new Promise((resolve) => {
      const hear = (event) => {
        // Only our own frame, and only from the cashier's origin.
        if (event.origin !== target.origin || event.source !== frame.contentWindow) return;
        if (event.data?.type === "cashier:close") dialog.close();
      };
      window.addEventListener("message", hear);
      dialog.addEventListener("close", () => {
        window.removeEventListener("message", hear);
        dialog.remove();
        resolve();
      });
      dialog.showModal();
    });
  },
};
