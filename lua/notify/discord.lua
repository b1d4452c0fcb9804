--- Discord, by the part of its webhooks that speaks Slack's language.
--- https://discord.com/developers/docs/resources/webhook#execute-slackcompatible-webhook

local slackish <const> = require("slackish")

local M = { name = "discord" } ---@type NotifyDriver

local function url_of(url)
  if string.match(url, "/slack$") then return url end
  local path, query = string.match(url, "^([^?]*)(.*)$")
  return (string.gsub(path, "/+$", "")) .. "/slack" .. query
end

function M.send(alert)
  slackish.check(alert, "Discord")
  local answer, err = slackish.post(alert, url_of(alert.url), slackish.body(alert, "good", "danger"))
  if not answer then return nil, err end
  return true
end

return M
