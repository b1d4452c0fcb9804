--- What Slack, Discord and Rocket.Chat understand: a message with an attachment.

local json <const>, shape <const>, web <const> = require("json"), require("shape"), require("web")

local M = {}

--- The body for Slack and whoever speaks like it. https://api.slack.com/reference/messaging/attachments
---@param alert Alert
---@param good string colour
---@param bad string colour, of severity error
---@return string
function M.body(alert, good, bad)
  local fields = json.array()
  for i, field in ipairs(alert.fields) do
    fields[i] = { title = field.name, value = field.value, short = false }
  end
  return json.encode({
    channel = alert.channel,
    username = alert.username,
    icon_url = "",
    icon_emoji = ":rocket:",
    attachments = json.array({
      {
        color = alert.severity == "error" and bad or good,
        author_name = alert.canary,
        text = alert.message,
        mrkdwn_in = json.array({ "text" }),
        fields = fields,
      },
    }),
  })
end

--- What must be there.
---@param alert Alert
---@param what string "Slack"
function M.check(alert, what)
  if not string.match(alert.url, "^https?://[^/]") then shape.fail("invalid %s hook URL", what) end
  if alert.username == "" then shape.fail("empty %s username", what) end
  if alert.channel == "" then shape.fail("empty %s channel", what) end
end

--- Posts a body of JSON.
---@param alert Alert
---@param url string
---@param body string
---@return string|nil answer, WebError|nil err
function M.post(alert, url, body)
  local headers = { ["Content-Type"] = "application/json" }
  if alert.token then headers.Authorization = "Bearer " .. alert.token end
  local http <const> = require("http")
  local request = { method = "POST", url = url, headers = headers, body = body, proxy = alert.proxy }
  local reply, err = http.request(request)
  if not reply then return nil, err end
  local refused = web.refusal(request, reply, "sending notification bad response")
  if refused then return nil, refused end
  return reply.body
end

return M
