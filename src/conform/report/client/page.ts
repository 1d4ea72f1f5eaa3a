/** What the parts of a page's script share. */

/** The element of an id and a tag, as the report wrote it. */
export function byId<Tag extends keyof HTMLElementTagNameMap>(
  id: string,
  tag: Tag,
): HTMLElementTagNameMap[Tag] {
  const selector = `${tag}#${id}`;
  return (
    document.querySelector<HTMLElementTagNameMap[Tag]>(selector) ?? document.createElement(tag)
  );
}

/** The value of a property of the style sheet. */
export function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
