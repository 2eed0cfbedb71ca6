package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

// pythonFor finds the Python of a program's `runtime.options`; it is an error if the environment is missing.
func pythonFor(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	for name, value := range info.GetOptions().AsMap() {
		text, _ := value.(string)
		switch {
		case name == "virtualenv" && text != "":
			options.Virtualenv = text
		case name == "toolchain" && text == "pip":
			options.Toolchain = toolchain.Pip
		default:
			return nil, fmt.Errorf("runtime option `%s: %v` is not understood by this language host, so the program "+
				"might run with another Python than is meant; give `toolchain: pip` and `virtualenv` (a folder)", name, value)
		}
	}
	python, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return nil, fmt.Errorf("finding the Python toolchain: %w", err)
	}
	return python, nil
}

// ask runs a script that prints JSON, and reads that into `answer`; an error says what it was `doing`.
func ask(ctx context.Context, python toolchain.Toolchain, doing, script string, answer any) error {
	command, err := python.Command(ctx, "-c", script)
	if err != nil {
		return fmt.Errorf("finding Python: %w", err)
	}
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s with %s: %w", doing, command.Path, err)
	}
	if err := json.Unmarshal(output, answer); err != nil {
		return fmt.Errorf("%s with %s: reading its answer: %w", doing, command.Path, err)
	}
	return nil
}

const describePython = `
import json, sys
print(json.dumps([sys.executable, ".".join(map(str, sys.version_info[:3]))]))
`

// about returns the path and the version of a program's Python. The engine asks for them at every update. The
// toolchain's own About also starts pip for its version, which takes longer than the rest of the call.
func about(ctx context.Context, python toolchain.Toolchain) (executable, version string, err error) {
	var described [2]string
	if err := ask(ctx, python, "asking for the version", describePython, &described); err != nil {
		return "", "", err
	}
	return described[0], described[1], nil
}

// Packages name the plugin that they need in this file. The working folder, first on the path of `-c`, is left out.
const listPluginFiles = `
import json, pathlib, sys
print(json.dumps([str(f) for d in sys.path if d for f in sorted(pathlib.Path(d).glob("*/pulumi-plugin.json"))]))
`

// requiredPackages lists the plugins that the installed Python packages need.
func requiredPackages(ctx context.Context, python toolchain.Toolchain) ([]*pulumirpc.PackageDependency, error) {
	if err := python.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	var files []string
	if err := ask(ctx, python, "listing the installed Pulumi packages", listPluginFiles, &files); err != nil {
		return nil, err
	}
	var packages []*pulumirpc.PackageDependency
	for _, file := range files {
		described, err := plugin.LoadPulumiPluginJSON(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // uninstalled since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if !described.Resource {
			continue
		}
		name := described.Name
		if name == "" {
			module := filepath.Base(filepath.Dir(file))
			name = strings.ReplaceAll(strings.TrimPrefix(module, "pulumi_"), "_", "-")
		}
		packages = append(packages, &pulumirpc.PackageDependency{
			Name: name, Kind: string(apitype.ResourcePlugin), Version: described.Version, Server: described.Server,
		})
	}
	return packages, nil
}
