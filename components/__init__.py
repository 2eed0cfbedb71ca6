"""The components and resources that the Pulumi program declares, one a file. Plan-time facts belong in stacks/."""
