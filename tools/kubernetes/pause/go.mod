module shapebench/tools/kubernetes/pause

go 1.24.0
