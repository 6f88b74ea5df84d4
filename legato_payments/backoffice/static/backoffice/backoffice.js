// Small repairs of the theme's pages for people who do not look at them, copy buttons, and forms
// that are sent once.
"use strict";

(() => {
    // The icons are words drawn as pictures ("block" is a stop sign): not for screen readers.
    const hideIcons = (root) => {
        for (const icon of root.querySelectorAll(".material-symbols-outlined")) {
            icon.setAttribute("aria-hidden", "true");
        }
    };

    const nameParts = () => {
        document.getElementById("content")?.setAttribute("role", "main");
        document.getElementById("content")?.setAttribute("tabindex", "-1");
        document.getElementById("nav-sidebar-inner")?.setAttribute("aria-label", "Pages");
        const search = document.getElementById("searchbar");
        search?.setAttribute("aria-label", search.getAttribute("placeholder") || "Search");
        document.getElementById("searchbar-submit")?.setAttribute("aria-label", "Search");
        const dialog = document.getElementById("modal-content");
        dialog?.setAttribute("role", "dialog");
        dialog?.setAttribute("aria-modal", "true");
    };

    const addSkipLink = () => {
        if (!document.getElementById("content")) {
            return;
        }
        const skip = document.createElement("a");
        skip.href = "#content";
        skip.className = "bo-hidden bo-skip";
        skip.textContent = "Skip to the content";
        document.body.prepend(skip);
    };

    document.addEventListener("DOMContentLoaded", () => {
        hideIcons(document);
        nameParts();
        addSkipLink();
        new MutationObserver((changes) => {
            for (const change of changes) {
                for (const node of change.addedNodes) {
                    if (node instanceof Element) {
                        hideIcons(node.parentElement || node);
                    }
                }
            }
        }).observe(document.body, { childList: true, subtree: true });
    });

    document.addEventListener("click", async (event) => {
        const button = event.target.closest?.("[data-copy]");
        if (!button) {
            return;
        }
        try {
            await navigator.clipboard.writeText(button.dataset.copy);
            button.textContent = "Copied";
        } catch {
            button.textContent = "Press Ctrl-C";
            getSelection().selectAllChildren(button.previousElementSibling);
        }
    });

    // A second click must not send a second request; the service would refuse it, with an error.
    document.addEventListener("submit", (event) => {
        if (!("once" in event.target.dataset)) {
            return;
        }
        for (const button of event.target.querySelectorAll("button[type=submit]")) {
            button.disabled = true;
        }
    });

    // The theme writes the name of a chosen file into the first text field of the form, whatever
    // that field is. Caught on the way down, before its own listener.
    document.addEventListener(
        "change",
        (event) => {
            if (event.target.matches(".bo-form input[type=file]")) {
                event.stopPropagation();
            }
        },
        true,
    );

    // Back from the cache of the browser, the form can be sent again.
    window.addEventListener("pageshow", () => {
        for (const button of document.querySelectorAll("form[data-once] button[disabled]")) {
            button.disabled = false;
        }
    });
})();
