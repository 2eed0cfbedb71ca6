package main

import (
	"encoding/json"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// executorArguments leaves out empty options, because to the executor an empty option differs from a missing one.
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

// configVariables are the environment variables from which the SDK reads the stack's configuration. Arguments would be
// visible to every user of the machine.
func configVariables(request *pulumirpc.RunRequest) []string {
	values, secretKeys := request.Config, request.ConfigSecretKeys
	if values == nil {
		values = map[string]string{}
	}
	if secretKeys == nil {
		secretKeys = []string{}
	}
	config, _ := json.Marshal(values) // cannot fail on texts
	keys, _ := json.Marshal(secretKeys)
	return []string{"PULUMI_CONFIG=" + string(config), "PULUMI_CONFIG_SECRET_KEYS=" + string(keys)}
}

// pluginArguments runs a policy pack through the SDK's runner, and any other plugin as a program.
func pluginArguments(request *pulumirpc.RunPluginRequest) []string {
	program := filepath.Join(request.Info.GetProgramDirectory(), request.Info.GetEntryPoint())
	if request.Kind == string(apitype.AnalyzerPlugin) {
		return append(append([]string{"-u", "-m", "pulumi.policy"}, request.Args...), program)
	}
	return append([]string{"-u", program}, request.Args...)
}
