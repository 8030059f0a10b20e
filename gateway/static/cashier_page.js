"use strict";
// The cashier page: state in `page`, one render per part, events from the server as they come.
const $ = (id) => document.getElementById(id);
const page = { client: null, session: null, currencies: new Map(), balances: new Map(), payments: new Map(), key: null };

const TEXTS = {
  offline: "The connection was lost. Please try again.",
  unavailable: "The cashier is busy right now. Please try again in a moment.",
  currency_unavailable: "This currency is not available right now. Please try again later.",
  currency_closed: "This currency is closed right now.",
  outcome_unknown: "We could not see whether it went through. Press the button again: it will not be sent twice.",
  insufficient_funds: "Your balance does not cover the amount and the fee.",
  invalid_address: "This is not an address of this currency. Please check every character.",
  wrong_network: "This address belongs to another network.",
  forbidden_address: "Withdrawals to this address are not possible.",
  below_minimum: "The amount is below the smallest withdrawal.",
  above_maximum: "The amount is above the largest withdrawal.",
  limit_exceeded: "This is more than may be withdrawn now.",
  invalid_amount: "Please enter an amount like 0.5.",
  rate_limited: "That was a little fast. Please wait a moment.",
  not_cancellable: "It is already on its way and cannot be cancelled.",
  forbidden: "This session does not allow it.",
};
const STATES = {
  seen: "Seen, waiting for a block", confirming: "Confirming", credited: "Credited", final: "Final",
  orphaned: "Its block was replaced, waiting again", reversed: "Reversed", conflicted: "Replaced by another payment",
  parked: "Being looked at by our team", held: "Waiting for approval", approved: "Being prepared", signed: "Being sent",
  broadcast: "Sent, confirming", confirmed: "Confirmed", rejected: "Rejected, money returned",
  cancelled: "Cancelled, money returned", failed: "Failed, money returned",
};
const GOOD = new Set(["credited", "final", "confirmed"]);
const BAD = new Set(["reversed", "conflicted", "rejected", "failed"]);
const DONE = new Set([...GOOD, ...BAD, "cancelled", "parked"]);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function human(error) {
  return TEXTS[error.code] ?? "Something went wrong. Please try again.";
}

function over(title, text) {
  for (const id of ["open", "loading", "live"]) $(id).hidden = true;
  const [heading, paragraph] = $("over").children;
  heading.textContent = title;
  paragraph.textContent = text;
  $("over").hidden = false;
  $("cashier").setAttribute("aria-busy", "false");
}

function isOver(error) {
  if (error.status !== 401) return false;
  over("This session has ended", "Please open the cashier again from the website.");
  return true;
}

async function start() {
  const [code, ...rest] = location.hash.slice(1).split("&");
  const action = new URLSearchParams(rest.join("&")).get("action");
  history.replaceState(null, "", location.pathname);
  page.client = new Client(recall());
  try {
    if (code) {
      const given = await new Client(null).call("POST", "session", { code });
      page.client = new Client(given.token);
      remember(given.token);
    }
    if (!page.client.token) return over("No session", "Please open the cashier from the website.");
    page.session = await page.client.call("GET", "session");
    await load();
  } catch (error) {
    if (!isOver(error)) over("The cashier cannot be opened", human(error));
    return undefined;
  }
  show(action);
  page.client.follow(onEvent, onState);
  setInterval(() => { if (pending()) load().catch(isOver); }, 10000);
  return undefined;
}

// A reload of the page keeps the session; where the browser forbids storage it does not.
function remember(token) {
  try { sessionStorage.setItem("cashier", token); } catch { page.isForgetful = true; }
}

function recall() {
  try { return sessionStorage.getItem("cashier"); } catch { return null; }
}

async function load() {
  const [currencies, balances, deposits, withdrawals] = await Promise.all(
    ["currencies", "balances", "deposits", "withdrawals"].map((path) => page.client.call("GET", path)));
  page.currencies = new Map(currencies.data.map((currency) => [currency.currency, currency]));
  page.balances = new Map(balances.data.map((balance) => [balance.currency, balance]));
  for (const deposit of deposits.data) page.payments.set(deposit.id, { ...deposit, way: "in", at: deposit.seen_at });
  for (const withdrawal of withdrawals.data) {
    page.payments.set(withdrawal.id, { ...withdrawal, way: "out", at: withdrawal.created_at });
  }
  render();
}

function pending() {
  return [...page.payments.values()].some((payment) => !DONE.has(payment.status));
}

function show(action) {
  const actions = page.session.actions;
  $("tab-deposit").hidden = !actions.includes("deposit");
  $("tab-withdraw").hidden = !actions.includes("withdraw");
  fill($("deposit-currency"), "deposits");
  fill($("withdraw-currency"), "withdrawals");
  const isFramed = window.parent !== window;
  $("close").hidden = !isFramed;
  if (page.session.return_url && !isFramed) Object.assign($("back"), { href: page.session.return_url, hidden: false });
  $("loading").hidden = true;
  $("open").hidden = false;
  $("cashier").setAttribute("aria-busy", "false");
  const wanted = { deposit: "deposit", withdraw: "withdraw", history: "history" }[action];
  select(wanted && !$(`tab-${wanted}`).hidden ? wanted : actions.includes("deposit") ? "deposit" : "withdraw");
  if (actions.includes("deposit")) showAddress();
  renderForm();
}

function fill(list, side) {
  list.replaceChildren(...[...page.currencies.values()].map((currency) => {
    const option = make("option", "", `${currency.name} (${currency.currency})`);
    option.value = currency.currency;
    return option;
  }));
  const open = [...page.currencies.values()].find((currency) => currency[side] === "open");
  if (open) list.value = open.currency;
}

function select(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isChosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    $(tab.getAttribute("aria-controls")).hidden = !isChosen;
  }
}

async function showAddress() {
  const name = $("deposit-currency").value;
  const currency = page.currencies.get(name);
  $("address-card").hidden = true;
  $("deposit-closed").hidden = true;
  if (!currency) return;
  try {
    const given = await page.client.call("PUT", `addresses/${name}`);
    if ($("deposit-currency").value !== name) return;
    // Drawn by our own server; parsed as an image, so that nothing in it could run.
    const svg = new DOMParser().parseFromString(given.qr_svg, "image/svg+xml").documentElement;
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `QR code of your ${currency.name} address`);
    $("qr").replaceChildren(document.importNode(svg, true));
    $("address").textContent = given.address;
    $("wallet").href = given.uri;
    $("network").textContent = `${currency.name} ${given.network}`;
    $("minimum").textContent = `${money.tidy(given.minimum_deposit)} ${name}`;
    $("needed").textContent = `${given.confirmations_required} confirmation${given.confirmations_required > 1 ? "s" : ""}`;
    document.querySelector("#address-card .name").textContent = `${currency.name} (${name})`;
    $("address-card").hidden = false;
  } catch (error) {
    if (isOver(error)) return;
    $("deposit-closed").textContent = human(error);
    $("deposit-closed").hidden = false;
  }
}

function render() {
  $("balances").replaceChildren(...[...page.currencies.values()].map(balanceItem));
  const all = [...page.payments.values()].sort((a, b) => (a.at < b.at ? 1 : -1));
  const chosen = all.filter((payment) => payment.way === "in").slice(0, 5);
  list($("incoming"), chosen, "Your payments will appear here as soon as the network shows them.");
  list($("outgoing"), all.filter((payment) => payment.way === "out").slice(0, 5), "No withdrawal yet.");
  list($("history"), all, "Nothing has happened yet.");
  if (page.session && !$("open").hidden) renderForm();
}

function balanceItem(currency) {
  const balance = page.balances.get(currency.currency);
  const item = make("li");
  item.append(make("span", "", currency.name));
  item.append(make("strong", "", `${balance ? money.tidy(balance.available) : "0"} ${currency.currency}`));
  const parts = [];
  if (balance && /[1-9]/.test(balance.pending)) parts.push(`+ ${money.tidy(balance.pending)} confirming`);
  if (balance && /[1-9]/.test(balance.reserved)) parts.push(`${money.tidy(balance.reserved)} being sent`);
  item.append(make("small", "", parts.join(" · ")));
  return item;
}

function list(target, payments, none) {
  target.replaceChildren(...(payments.length ? payments.map(paymentItem) : [make("li", "none", none)]));
}

function paymentItem(payment) {
  const item = make("li");
  const top = make("div", "top");
  const sign = payment.way === "in" ? "+" : "−";
  top.append(make("strong", "", `${sign} ${money.tidy(payment.amount)} ${payment.currency}`));
  const tone = GOOD.has(payment.status) ? "good" : BAD.has(payment.status) ? "bad" : "";
  const isCounting = ["seen", "confirming", "broadcast"].includes(payment.status);
  const count = isCounting ? ` · ${Math.min(payment.confirmations, payment.confirmations_required)}/${payment.confirmations_required}` : "";
  top.append(make("span", `state ${tone}`, (STATES[payment.status] ?? payment.status) + count));
  item.append(top);
  if (isCounting) {
    const bar = make("progress");
    bar.max = payment.confirmations_required;
    bar.value = payment.confirmations;
    bar.setAttribute("aria-label", "Confirmations");
    item.append(bar);
  }
  const foot = make("div", "foot");
  foot.append(make("span", "when", new Date(payment.at).toLocaleString()));
  if (payment.txid) {
    const txid = make(payment.explorer_url ? "a" : "span", "txid mono", `${payment.txid.slice(0, 10)}…${payment.txid.slice(-8)}`);
    txid.title = payment.txid;
    if (payment.explorer_url) Object.assign(txid, { href: payment.explorer_url, target: "_blank", rel: "noopener noreferrer" });
    foot.append(txid);
  }
  if (payment.way === "out" && payment.confirmation_expected_s) {
    foot.append(make("span", "when", `confirmed in ${duration(payment.confirmation_expected_s)}`));
  }
  if (payment.way === "out" && ["held", "approved"].includes(payment.status)) {
    const cancel = make("button", "quiet small", "Cancel");
    cancel.type = "button";
    cancel.addEventListener("click", () => cancelPayment(payment, cancel));
    foot.append(cancel);
  }
  item.append(foot);
  return item;
}

function duration(seconds) {
  if (seconds < 90) return "about a minute";
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} minutes`;
  return `about ${Math.round(seconds / 3600)} hours`;
}

function onEvent(event) {
  const [kind, state] = event.type.split(".");
  if (kind !== "deposit" && kind !== "withdrawal") return;
  const way = kind === "deposit" ? "in" : "out";
  const known = page.payments.get(event.data.id);
  page.payments.set(event.data.id, { ...event.data, way, at: event.data.seen_at ?? event.data.created_at });
  if (known?.status !== event.data.status) {
    const said = STATES[state] ?? "";
    $("said").textContent = `${way === "in" ? "Deposit" : "Withdrawal"} of ${money.tidy(event.data.amount)} ${event.data.currency}: ${said}`;
  }
  render();
  clearTimeout(page.timer);
  page.timer = setTimeout(() => load().catch(isOver), 300);
}

function onState(isOpen) {
  $("live").hidden = false;
  $("live").classList.toggle("off", !isOpen);
  $("live").lastElementChild.textContent = isOpen ? "Live" : "Reconnecting …";
  // What happened between the last look and the stream's first event is in no event: look again.
  if (isOpen) load().catch(isOver);
}
