--- Rocket.Chat, by an incoming webhook. https://docs.rocket.chat/docs/integrations

local slackish <const> = require("slackish")

local M = { name = "rocket" } ---@type NotifyDriver

function M.send(alert)
  slackish.check(alert, "Rocket")
  local answer, err = slackish.post(alert, alert.url, slackish.body(alert, "#0076D7", "#FF0000"))
  if not answer then return nil, err end
  return true
end

return M
