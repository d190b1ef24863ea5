/** Makes elements. Texts are only ever texts: nothing of a file becomes markup. */

type Child = Node | string | undefined;
type Listener = (event: Event) => void | Promise<void>;

/** Attributes and listeners: `{ class: 'dim', onclick: … }`; what is `undefined` is left out. */
export type Properties = Readonly<Record<string, string | Listener | undefined>>;

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === 'function') made.addEventListener(key.slice(2), (event) => void value(event));
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** The element of the page with an id. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}
