package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// executorArguments leaves out what is empty, as the executor tells an absent option from an empty one.
func executorArguments(request *pulumirpc.RunRequest, engine, tracing string) []string {
	var arguments []string
	for _, option := range [][2]string{
		{"--monitor", request.MonitorAddress},
		{"--engine", engine},
		{"--project", request.Project},
		{"--stack", request.Stack},
		{"--organization", request.Organization},
		{"--pwd", request.Pwd},
		{"--root_directory", request.Info.GetRootDirectory()},
		{"--dry_run", strconv.FormatBool(request.DryRun)},
		{"--parallel", strconv.Itoa(int(request.Parallel))},
		{"--tracing", tracing},
	} {
		if option[1] != "" {
			arguments = append(arguments, option[0], option[1])
		}
	}
	program := filepath.Join(request.Info.GetProgramDirectory(), request.Info.GetEntryPoint())
	return append(append(arguments, program), request.Args...)
}

// configVariables hands the stack's configuration over as the SDK reads it: in the environment, never in arguments,
// which every user of the machine can see.
func configVariables(request *pulumirpc.RunRequest) ([]string, error) {
	values, secretKeys := request.Config, request.ConfigSecretKeys
	if values == nil {
		values = map[string]string{}
	}
	if secretKeys == nil {
		secretKeys = []string{}
	}
	config, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encoding the stack's configuration: %w", err)
	}
	keys, err := json.Marshal(secretKeys)
	if err != nil {
		return nil, fmt.Errorf("encoding the names of the stack's secrets: %w", err)
	}
	return []string{"PULUMI_CONFIG=" + string(config), "PULUMI_CONFIG_SECRET_KEYS=" + string(keys)}, nil
}

// pluginArguments starts a policy pack through the SDK's own runner and any other plugin as the program it is.
func pluginArguments(request *pulumirpc.RunPluginRequest) []string {
	program := filepath.Join(request.Info.GetProgramDirectory(), request.Info.GetEntryPoint())
	if request.Kind == string(apitype.AnalyzerPlugin) {
		return append(append([]string{"-u", "-m", "pulumi.policy"}, request.Args...), program)
	}
	return append([]string{"-u", program}, request.Args...)
}
