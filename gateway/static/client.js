"use strict";
// The way to the server: JSON calls with the session's token, and the stream of events.

class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail ?? "");
    this.code = problem.code ?? "unavailable";
    this.status = status;
    this.errors = problem.errors ?? [];
  }
}

class Client {
  constructor(token) {
    this.token = token;
    this.lastId = null;
  }

  async call(method, path, body, key) {
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    let reply;
    try {
      reply = await fetch(`/v1/cashier/${path}`, {
        method, headers, body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store", credentials: "omit",
      });
    } catch {
      throw new Refused({ code: "offline" }, 0);
    }
    const data = await reply.json().catch(() => ({}));
    if (!reply.ok) throw new Refused(data, reply.status);
    return data;
  }

  // Calls onEvent for every event and onState(true|false) as the connection comes and goes; for ever.
  async follow(onEvent, onState) {
    for (let pause = 500; ; pause = Math.min(pause * 2, 15000)) {
      try {
        const headers = { Authorization: `Bearer ${this.token}` };
        if (this.lastId !== null) headers["Last-Event-ID"] = this.lastId;
        const reply = await fetch("/v1/cashier/events/stream", { headers, cache: "no-store", credentials: "omit" });
        if (reply.status === 401) return;
        if (reply.ok) {
          onState(true);
          await this.read(reply.body, (event) => { pause = 500; onEvent(event); });
        }
      } catch {
        // The connection broke: it is tried again below, from the last event on.
      }
      onState(false);
      await new Promise((resume) => setTimeout(resume, pause));
    }
  }

  async read(stream, onEvent) {
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split("\n").map((line) => {
          const at = line.indexOf(": ");
          return [line.slice(0, at), line.slice(at + 2)];
        }));
        if (fields.data === undefined) continue;
        this.lastId = fields.id;
        onEvent(JSON.parse(fields.data));
      }
    }
  }
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
