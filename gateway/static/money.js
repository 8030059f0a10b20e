"use strict";
// Amounts are decimal strings; they are added as whole numbers of the smallest unit, never as floats.
const money = {
  // The smallest units of "0.0015" with 8 decimals: 150000n; null for anything that is no such amount.
  parse(text, decimals) {
    const match = /^(\d{1,78})(?:\.(\d{1,77}))?$/.exec(text.trim().replace(",", "."));
    const fraction = match?.[2] ?? "";
    return match && fraction.length <= decimals ? BigInt(match[1] + fraction.padEnd(decimals, "0")) : null;
  },
  // The decimal string of smallest units, all decimals shown.
  format(units, decimals) {
    const digits = units.toString().padStart(decimals + 1, "0");
    return decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits;
  },
  // For people: zeros at the end are left out.
  tidy(text) {
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  },
};
