--- Slack, by an incoming webhook or, with a token, by chat.postMessage. https://api.slack.com/methods/chat.postMessage

local json <const>, slackish <const>, web <const> = require("json"), require("slackish"), require("web")

local M = { name = "slack" } ---@type NotifyDriver

function M.send(alert)
  slackish.check(alert, "Slack")
  local answer, err = slackish.post(alert, alert.url, slackish.body(alert, "good", "danger"))
  if not answer then return nil, err end
  -- The Web API refuses with status 200. A webhook answers "ok".
  local said = json.decode(answer)
  if type(said) == "table" and said.ok == false then
    local why = type(said.error) == "string" and said.error or "no reason given"
    return nil, web.error(why == "ratelimited" and "throttled" or "invalid", "Slack refused: %s", why)
  end
  return true
end

return M
