// Compiles the contracts beside it into contracts.json:
//   npm install --prefix SOMEWHERE solc@0.8.28 && NODE_PATH=SOMEWHERE/node_modules node compile.js
"use strict";
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const FILES = ["Token.sol", "Forwarder.sol"];
const input = {
  language: "Solidity",
  sources: Object.fromEntries(
    FILES.map((name) => [name, { content: fs.readFileSync(path.join(__dirname, name), "utf8") }]),
  ),
  settings: {
    evmVersion: "prague",
    optimizer: { enabled: true, runs: 200 },
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.methodIdentifiers"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const errors = (output.errors || []).filter((error) => error.severity === "error");
if (errors.length > 0) {
  errors.forEach((error) => console.error(error.formattedMessage));
  process.exit(1);
}
const made = {};
for (const contracts of Object.values(output.contracts)) {
  for (const [name, contract] of Object.entries(contracts)) {
    if (contract.evm.bytecode.object === "") continue;  // an interface
    const constructor = contract.abi.find((entry) => entry.type === "constructor");
    made[name] = {
      constructor: (constructor ? constructor.inputs : []).map((parameter) => parameter.type),
      functions: contract.evm.methodIdentifiers,
      bytecode: "0x" + contract.evm.bytecode.object,
    };
  }
}
fs.writeFileSync(path.join(__dirname, "contracts.json"), JSON.stringify(made, null, 1) + "\n");
