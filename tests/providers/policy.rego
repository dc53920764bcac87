package system

# Defined only for what is allowed: OPA answers 200 then, and 404 otherwise.
main := {"allow": true} if allowed

allowed if {
	input.method == "GET"
	startswith(input.path, "/reports")
	input.team == "finance"
}

allowed if input.subject == "the \"boss\""
