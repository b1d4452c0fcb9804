--- Google Chat, by a webhook with a card. https://developers.google.com/workspace/chat/api/reference/rest/v1/cards-v1

local json <const>, shape <const>, slackish <const> = require("json"), require("shape"), require("slackish")

local M = { name = "gchat" } ---@type NotifyDriver

local entities <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local function escape(text) return (string.gsub(text, "[&<>]", entities)) end

local function section(text)
  return { widgets = json.array({ { textParagraph = { text = text } } }) }
end

local function grey(text) return "<font color=#848484><strong>" .. escape(text) .. "</strong></font>" end

function M.send(alert)
  if not string.match(alert.url, "^https?://[^/]") then shape.fail("invalid Google Chat webhook URL") end
  local sections = json.array({ section(grey(alert.message)) })
  for _, field in ipairs(alert.fields) do
    sections[#sections + 1] = section(escape(field.name) .. "<br>" .. grey(field.value))
  end
  alert.token = nil
  local answer, err = slackish.post(alert, alert.url, json.encode({
    cards = json.array({
      {
        header = { title = "Flagger", subtitle = alert.canary, imageUrl = "https://flagger.app/favicon.png" },
        sections = sections,
      },
    }),
  }))
  if not answer then return nil, err end
  return true
end

return M
