--- Microsoft Teams, by a connector card.
--- https://learn.microsoft.com/outlook/actionable-messages/message-card-reference

local json <const>, shape <const>, slackish <const> = require("json"), require("shape"), require("slackish")

local M = { name = "msteams" } ---@type NotifyDriver

function M.send(alert)
  if not string.match(alert.url, "^https?://[^/]") then shape.fail("invalid MS Teams webhook URL") end
  local facts = json.array()
  for i, field in ipairs(alert.fields) do facts[i] = { name = field.name, value = field.value } end
  local body = json.encode({
    ["@type"] = "MessageCard",
    ["@context"] = "http://schema.org/extensions",
    themeColor = alert.severity == "error" and "FF0000" or "0076D7",
    summary = alert.canary,
    sections = json.array({
      { activityTitle = alert.message, activitySubtitle = alert.canary, facts = facts },
    }),
  })
  alert.token = nil
  local answer, err = slackish.post(alert, alert.url, body)
  if not answer then return nil, err end
  return true
end

return M
