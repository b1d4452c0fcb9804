--- What operators ask by annotation, as `sluice explain phases` says it: what each does in each phase, and why not.
--- It acts once, is answered at once, and nobody waits for a webhook before it.

local M = {}

local new_run <const> = "no release is under way"
local promoted <const> = "it is being promoted already"
local under_way <const> = "a release is under way: abort ends it"
local no_gate <const> = "it waits at no gate"

local refused <const> = {
  promote = { Initialized = new_run, Succeeded = new_run, Promoting = promoted, Finalising = promoted,
    Failed = "no release is under way: retry starts the failed one again" },
  abort = { Initialized = new_run, Succeeded = new_run, Failed = new_run },
  pause = {},
  resume = {},
  retry = { Succeeded = "the last release was promoted", Waiting = under_way, Progressing = under_way,
    WaitingPromotion = under_way, Promoting = promoted, Finalising = promoted },
  ["skip-to"] = { Initialized = new_run, Succeeded = new_run, Failed = new_run, Promoting = promoted,
    Finalising = promoted, Waiting = "it waits for approval: approve begins it" },
  approve = { Initialized = no_gate, Succeeded = no_gate, Failed = no_gate, Promoting = no_gate,
    Finalising = no_gate },
}

local back <const> = "all traffic goes back to the primary at once"
local skipped <const> = "the rest of the analysis is skipped, once the canary is ready"
local weighed <const> = "the canary has that weight, once it is ready; the checks go on"
local rests <const> = { Initialized = true, Succeeded = true, Failed = true }

local does <const> = {
  promote = { Progressing = skipped, WaitingPromotion = skipped },
  abort = { Waiting = "the revision is not begun; no traffic has moved", Progressing = back, WaitingPromotion = back,
    Promoting = "the primary gets its former template again, if it has the new one already, and then all traffic",
    Finalising = "the primary gets its former template again" },
  retry = { Initialized = "the revision that failed or was refused is released again",
    Failed = "the revision that failed or was refused is released again" },
  ["skip-to"] = { Progressing = weighed, WaitingPromotion = weighed },
  approve = { Waiting = "confirm-rollout is open, once", WaitingPromotion = "confirm-promotion is open, once",
    Progressing = "confirm-traffic-increase is open, once, if it is waited for" },
}

local function in_words(kind, phase)
  if kind == "resume" then return "it goes on where it was paused" end
  if kind ~= "pause" then return does[kind][phase] end
  return rests[phase] and "no new revision is begun, until it is resumed"
    or "nothing is decided and traffic stays, until it is resumed"
end

local gates <const> = { Waiting = "rollout", Progressing = "increase", WaitingPromotion = "promotion" }

--- Where the weights end; nil: there are none.
local function greatest_weight(canary)
  local analysis <const> = canary.spec.analysis
  if analysis.iterations then return nil end
  local steps = analysis.stepWeights
  return steps and math.min(100, steps[#steps]) or analysis.maxWeight or 100
end

---@return string?
local function why_not(canary, command)
  local phase, world = canary.status.phase, canary.world
  local kind = command.kind
  if not refused[kind] then
    return string.format('"%s" is none of promote, abort, pause, resume, retry, skip-to and approve', kind)
  end
  if refused[kind][phase] then return refused[kind][phase] end
  if kind == "pause" and canary.paused then return "it is paused already" end
  if kind == "resume" and not canary.paused then return "it is not paused" end
  if kind == "approve" and phase == "Progressing" and not canary.gated then return no_gate end
  if kind == "retry" and world.target.image == world.primary.image then return "the target runs what is promoted" end
  if kind == "skip-to" then
    local greatest = greatest_weight(canary)
    if not greatest then return "its analysis has no weights" end
    if command.weight > greatest then
      return string.format("its analysis ends at weight %d: promote goes further", greatest)
    end
  end
  local in_analysis = phase == "Progressing" or phase == "WaitingPromotion"
  if in_analysis and world.target.image ~= canary.revision
    and (kind == "promote" or kind == "skip-to" or kind == "approve") then
    return "the target has a newer revision: say it again once that is under analysis"
  end
  return nil
end

local function described(command)
  local kind = refused[command.kind] and command.kind or "(unreadable)"
  local weight = kind == "skip-to" and " " .. command.weight or ""
  return string.format("Command %s%s of podinfo.test by jane", kind, weight)
end

--- The next commit says that it was taken.
local function take(canary, command)
  canary:count_pause()
  canary.taken = command.id
  canary:normal("%s: %s", described(command), in_words(command.kind, canary.status.phase))
end

local obey <const> = {}

function obey.pause(canary)
  canary.paused = canary.began
  canary:commit()
end

function obey.resume(canary)
  canary.paused = nil
  canary:commit()
end

function obey.approve(canary)
  canary.approved = gates[canary.status.phase]
  canary.due = canary.began
  canary:commit()
end

function obey.retry(canary)
  canary.paused = nil
  canary.revision = ""
  canary:commit()
end

function obey.abort(canary)
  local phase = canary.status.phase
  canary.paused = nil
  if phase == "Waiting" then
    canary:give_up()
  elseif phase == "Promoting" or phase == "Finalising" then
    canary:roll_back("aborted by jane", { restores = true })
  else
    canary:roll_back("aborted by jane")
  end
end

--- Whether it is asked, and not answered yet.
local function asked(canary)
  local command = canary.world.command
  return command and command.id ~= canary.taken and command or nil
end

--- True: it was done, or refused.
function M.obey(canary)
  local command = asked(canary)
  if not command then return false end
  local why = why_not(canary, command)
  if why then
    canary:count_pause()
    canary.taken = command.id
    canary:warning("%s refused: %s", described(command), why)
    canary:commit()
    return true
  end
  if not obey[command.kind] then return false end
  take(canary, command)
  obey[command.kind](canary)
  return true
end

--- A promotion or a weight that waits for a canary that is ready goes on in a pause.
function M.waits(canary)
  local command = asked(canary)
  return command and (command.kind == "promote" or command.kind == "skip-to")
end

function M.begins(canary)
  local command = asked(canary)
  return command and command.kind == "promote"
end

--- With a canary that is ready. True: it was done.
---@param skip fun(canary: table) what a canary without analysis does
function M.obey_when_ready(canary, skip)
  local command = M.waits(canary) and asked(canary)
  if not command then return false end
  take(canary, command)
  if command.kind == "promote" then
    canary.paused = nil
    if canary.spec.skip then skip(canary) else canary:promote() end
    return true
  end
  canary:set_routes(100 - command.weight, command.weight)
  canary.status.weight = command.weight
  canary:normal("Advance %s canary weight %d", canary.NAME, command.weight)
  canary:step()
  return true
end

return M
