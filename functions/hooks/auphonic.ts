import { serveWebhook } from '../serve-webhook.ts'

export default serveWebhook('auphonic')
