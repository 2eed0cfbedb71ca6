module shapebench/tests/support/kubernetes/pause

go 1.24.0
