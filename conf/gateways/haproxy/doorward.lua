-- Asks Doorward's decision API about a request: `http-request lua.doorward`.

local API = "http://127.0.0.1:4456/decisions"
-- The headers that your rules set. They are taken from the answer only, whatever the client sent.
local MANAGED = { "x-user" }
-- They belong to one connection or describe a body that is not sent along.
local NOT_ASKED = {
  ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["upgrade"] = true, ["te"] = true,
  ["expect"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
}

-- Upstreams may take `X_User` or `X.User` for `X-User`.
local function folded(name)
  return (name:lower():gsub("[_.]", "-"))
end

local function is_managed(name)
  for _, managed in ipairs(MANAGED) do
    if folded(name) == managed then return true end
  end
  return false
end

local function lines(values)
  local list = {}
  for index = 0, #values do
    if values[index] then list[#list + 1] = values[index] end
  end
  return list
end

local function question(txn)
  local headers = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not NOT_ASKED[name] and not folded(name):find("^x%-forwarded") and folded(name) ~= "forwarded" then
      headers[name] = lines(values)
    end
  end
  headers["x-forwarded-method"] = { txn.sf:method() }
  headers["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  headers["x-forwarded-host"] = { txn.sf:req_hdr("host") }
  headers["x-forwarded-uri"] = { txn.sf:url() }
  headers["x-forwarded-for"] = { txn.sf:src() }
  return headers
end

local function refuse(txn, status, headers, body)
  local reply = txn:reply({ status = status })
  for name, values in pairs(headers or {}) do
    if name ~= "connection" and name ~= "content-length" and name ~= "transfer-encoding" then
      for _, value in ipairs(lines(values)) do reply:add_header(name, value) end
    end
  end
  reply:set_body(body or "")
  txn:done(reply)
end

core.register_action("doorward", { "http-req" }, function(txn)
  local client = core.httpclient()
  local answer = client:get({ url = API, headers = question(txn), timeout = 5000 })
  if not answer or answer.status ~= 200 then
    local status = answer and answer.status or 503
    -- No answer is a refusal.
    if status < 300 then status = 503 end
    return refuse(txn, status, answer and answer.headers, answer and answer.body)
  end
  for name in pairs(txn.http:req_get_headers()) do
    if is_managed(name) then txn.http:req_del_header(name) end
  end
  for _, name in ipairs(MANAGED) do
    local values = answer.headers[name]
    if values then txn.http:req_set_header(name, lines(values)[1] or "") end
  end
end)
