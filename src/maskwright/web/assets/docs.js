// Shows the OpenAPI document of this server.

/** @param {string} tag @param {string | Node | (string | Node)[]} content @returns {HTMLElement} */
function element(tag, content) {
  const made = document.createElement(tag);
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
}

/** @param {{name: string, description?: string, schema: any}[]} parameters */
function table(parameters) {
  return element("table", parameters.map(({ name, description, schema }) => {
    const kind = schema.enum ? schema.enum.join(", ") : schema.type;
    return element("tr", [element("td", element("code", name)), element("td", kind), element("td", description ?? "")]);
  }));
}

/** @param {string} path @param {string} method @param {any} operation */
function article(path, method, operation) {
  const parts = [element("h2", [element("b", method.toUpperCase()), path]), element("p", operation.summary + ".")];
  if (operation.requestBody) parts.push(element("p", ["Body: ", element("code", Object.keys(operation.requestBody.content).join(", "))]));
  if (operation.parameters) parts.push(table(operation.parameters));
  for (const [status, { description }] of Object.entries(operation.responses)) {
    if (status !== "default") parts.push(element("p", [element("code", status), ` ${description}`]));
  }
  if (operation["x-example"]) parts.push(element("pre", operation["x-example"].replace("http://127.0.0.1:8000", location.origin)));
  return element("article", parts);
}

const described = await (await fetch("/openapi.json")).json();
const main = /** @type {HTMLElement} */ (document.getElementById("operations"));
for (const [path, { parameters: _, ...methods }] of Object.entries(described.paths)) {
  for (const [method, operation] of Object.entries(methods)) main.append(article(path, method, operation));
}

export {};
