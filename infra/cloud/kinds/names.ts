/** `parent` and `id` of a name, cut at its collection. */
export function splitName(name: string, collection: string): { parent: string; id: string } {
  const at = name.indexOf(collection)
  return { parent: name.slice(0, at), id: name.slice(at + collection.length) }
}

/** As field masks spell it. */
export function snake(camel: string): string {
  return camel.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
