// Keeps the page up to date: the server sends the whole <main> whenever it has changed, and what differs
// is changed here, so that focus, selection, scrolling, open details and typed text stay as they are.
"use strict";

const RETRY = 10_000; // milliseconds, after an answer that was no stream
const PATIENCE = 5_000; // milliseconds without a stream before the page admits that it is old

// What belongs to the person and not to the server.
const OWN = new Set(["open"]);

const retouch = (old, fresh) => {
    for (const { name } of [...old.attributes]) {
        if (!fresh.hasAttribute(name) && !OWN.has(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
        if (old.getAttribute(name) !== value && !OWN.has(name)) old.setAttribute(name, value);
    }
};

// Makes `old` like `fresh`. Elements with an id are the same ones wherever they have moved to.
const blend = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
        if (old.data !== fresh.data) old.data = fresh.data;
        return;
    }
    retouch(old, fresh);
    let next = old.firstChild;
    for (const child of [...fresh.childNodes]) {
        let match = next;
        if (child.id) {
            while (match && match.id !== child.id) match = match.nextSibling;
            while (match && next !== match) {
                const gone = next;
                next = next.nextSibling;
                gone.remove();
            }
        } else if (next?.id) {
            match = null;
        }
        if (match && match.nodeName === child.nodeName) {
            blend(match, child);
            next = match.nextSibling;
        } else {
            old.insertBefore(child, next);
        }
    }
    while (next) {
        const gone = next;
        next = next.nextSibling;
        gone.remove();
    }
};

const main = document.getElementById("main");
const connection = document.getElementById("connection");
let doubt;

const isLive = () => {
    clearTimeout(doubt);
    doubt = undefined;
    connection.textContent = "";
    document.documentElement.dataset.live = "yes";
};

const isOld = () => {
    doubt ??= setTimeout(() => {
        connection.textContent = connection.dataset.lost;
        document.documentElement.dataset.live = "no";
    }, PATIENCE);
};

const show = ({ data }) => {
    isLive();
    const fresh = new DOMParser().parseFromString(data, "text/html").getElementById("main");
    if (fresh.dataset.build !== main.dataset.build) {
        location.replace("/");
        return;
    }
    blend(main, fresh);
    document.title = fresh.dataset.title;
};

const listen = () => {
    const events = new EventSource("/events");
    events.onmessage = show;
    events.onerror = () => {
        isOld();
        if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY);
    };
    // A page that was left is not shown again from the browser's memory with a dead stream.
    addEventListener("pagehide", () => events.close(), { once: true });
};

addEventListener("pageshow", event => {
    if (event.persisted) location.reload();
});

// A notice is told once.
if (location.search) history.replaceState(null, "", "/");
listen();
