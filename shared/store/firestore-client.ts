/** What Steadycast uses of Google's client. Imported at the first use: it is heavy, and bundled by these names alone. */
export { FieldPath, FieldValue, Firestore } from '@google-cloud/firestore'
