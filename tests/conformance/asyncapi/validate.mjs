// Prints what AsyncAPI's own parser says of the document named as the argument: {parsed, diagnostics: [{severity, ...}]}.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const said = diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path: path.join(".") }));
console.log(JSON.stringify({ parsed: document !== undefined, diagnostics: said }));
