package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// GeneratePackage writes the Python SDK of a package into a folder, for `pulumi package add`.
func (h *host) GeneratePackage(
	ctx context.Context, request *pulumirpc.GeneratePackageRequest,
) (*pulumirpc.GeneratePackageResponse, error) {
	client, err := schema.NewLoaderClient(request.LoaderTarget)
	if err != nil {
		return nil, fmt.Errorf("reaching the engine's schemas: %w", err)
	}
	loader := schema.NewCachedLoader(client)
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(request.Schema), &spec); err != nil {
		return nil, fmt.Errorf("reading the package's schema: %w", err)
	}
	bound, diagnostics, err := schema.BindSpecWithContext(
		ctx, spec, loader, schema.ValidationOptions{AllowDanglingReferences: true})
	response := &pulumirpc.GeneratePackageResponse{Diagnostics: plugin.HclDiagnosticsToRPCDiagnostics(diagnostics)}
	if err != nil {
		return nil, fmt.Errorf("reading the package's schema: %w", err)
	}
	if diagnostics.HasErrors() {
		return response, nil
	}
	files, err := python.GeneratePackage("pulumi-language-python", bound, request.ExtraFiles, loader)
	if err != nil {
		return nil, fmt.Errorf("generating the Python SDK of %s: %w", bound.Name, err)
	}
	for name, content := range files {
		path := filepath.Join(request.Directory, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}
	return response, nil
}

// Link puts generated SDKs among a program's requirements, and says how they are imported.
func (h *host) Link(ctx context.Context, request *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	environment, err := pythonFor(request.Info)
	if err != nil {
		return nil, err
	}
	client, err := schema.NewLoaderClient(request.LoaderTarget)
	if err != nil {
		return nil, fmt.Errorf("reaching the engine's schemas: %w", err)
	}
	loader := schema.NewCachedLoader(client)
	paths := map[string]string{}
	var imports []string
	for _, each := range request.Packages {
		module, err := moduleOf(ctx, loader, each.Package)
		if err != nil {
			return nil, fmt.Errorf("reading the schema of %s: %w", each.Package.Name, err)
		}
		paths[module] = each.Path
		imports = append(imports, fmt.Sprintf("  import %s as %s\n", module, strings.ReplaceAll(each.Package.Name, "-", "_")))
	}
	if err := environment.LinkPackages(ctx, paths); err != nil {
		return nil, fmt.Errorf("adding the SDKs to the requirements: %w", err)
	}
	slices.Sort(imports)
	return &pulumirpc.LinkResponse{
		ImportInstructions: "You can then import the SDK in your Python code with:\n\n" + strings.Join(imports, ""),
	}, nil
}

// moduleOf is the name that a program imports a package's SDK by.
func moduleOf(
	ctx context.Context, loader schema.ReferenceLoader, dependency *pulumirpc.PackageDependency,
) (string, error) {
	descriptor := &schema.PackageDescriptor{Name: dependency.Name, DownloadURL: dependency.Server}
	if parameters := dependency.Parameterization; parameters != nil {
		return "", errors.New("a package with parameters is not understood by this language host")
	}
	if dependency.Version != "" {
		version, err := semver.ParseTolerant(dependency.Version)
		if err != nil {
			return "", fmt.Errorf("reading version %q: %w", dependency.Version, err)
		}
		descriptor.Version = &version
	}
	reference, err := schema.LoadPackageReferenceV2(ctx, loader, descriptor)
	if err != nil {
		return "", err
	}
	definition, err := reference.Definition()
	if err != nil {
		return "", err
	}
	if info, ok := definition.Language["python"].(python.PackageInfo); ok && info.PackageName != "" {
		return strings.ReplaceAll(info.PackageName, "-", "_"), nil
	}
	return python.PyPack(definition.Namespace, definition.Name), nil
}
