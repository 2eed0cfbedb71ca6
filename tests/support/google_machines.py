"""What Google's pages and public price lists say of machine series, which the table and the prices are held to.

Copied or worked out by hand from the pages that stand beside each, read 2026-11. A new series adds its lines here.
"""

# cloud.google.com/compute/docs/general-purpose-machines and compute-optimized-machines: vCPUs and GB.
SIZES = {
    "e2-standard-4": (4, 16), "e2-highcpu-16": (16, 16), "e2-highmem-8": (8, 64), "e2-standard-32": (32, 128),
    "n2-standard-8": (8, 32), "n2-highcpu-8": (8, 8), "n2-highmem-16": (16, 128),
    "n2d-standard-4": (4, 16), "n2d-highcpu-96": (96, 96), "n2d-highmem-2": (2, 16),
    "n4-standard-2": (2, 8), "n4-highcpu-16": (16, 32), "n4-highmem-80": (80, 640),
    "n4d-highcpu-8": (8, 16), "n4d-standard-96": (96, 384), "n4d-highmem-4": (4, 32),
    "n4a-standard-1": (1, 4), "n4a-highcpu-64": (64, 128), "n4a-highmem-8": (8, 64),
    "c2d-standard-56": (56, 224), "c2d-highcpu-2": (2, 4), "c2d-highmem-16": (16, 128),
    "c3-standard-22": (22, 88), "c3-highcpu-4": (4, 8), "c3-highmem-8": (8, 64),
    "c3d-highcpu-30": (30, 59), "c3d-standard-16": (16, 64), "c3d-highmem-4": (4, 32),
    "c4-standard-2": (2, 7), "c4-standard-16": (16, 60), "c4-highcpu-16": (16, 32), "c4-highmem-8": (8, 62),
    "c4d-highcpu-2": (2, 3), "c4d-highcpu-8": (8, 15), "c4d-standard-16": (16, 62), "c4d-highmem-4": (4, 31),
    "c4a-standard-72": (72, 288), "c4a-highcpu-1": (1, 2), "c4a-highmem-16": (16, 128),
    "t2d-standard-1": (1, 4), "t2d-standard-60": (60, 240), "t2a-standard-48": (48, 192),
}  # fmt: skip

# "Supported disk types for …" of general-purpose-machines; C3 and C3D take both.
HYPERDISK_ONLY = {"n4", "n4d", "n4a", "c4", "c4d", "c4a"}
BOTH_DISKS = {"c3", "c3d"}

# Compute Engine's API, enumeration Quota.Metric (compute/v1, regions.get). What it lacks is counted by family.
REGIONAL_METRICS = {"A2_CPUS", "C2D_CPUS", "C2_CPUS", "C3_CPUS", "CPUS", "E2_CPUS", "N2D_CPUS", "N2_CPUS", "T2A_CPUS",
                    "T2D_CPUS"}  # fmt: skip
BY_FAMILY = {"n4": "N4", "n4d": "N4D", "n4a": "N4A", "c3d": "C3D", "c4": "C4", "c4d": "C4D", "c4a": "C4A"}

# USD for 24 hours of the vCPUs and memory of so many nodes in us-central1, August 2026: by the pairs of prices of
# cloudpilot-ai/karpenter-provider-gcp, initial-prices.json of 2026-08-06; of E2's custom types, by Google's list.
DAY = {
    ("e2-custom-8-16384", 2): 11.15,
    ("n4d-highcpu-8", 2): 13.72,
    ("n4d-highcpu-2", 8): 13.72,
    ("c3d-highcpu-16", 1): 14.39,
    ("n4-highcpu-8", 2): 14.70,
    ("c4-highcpu-8", 2): 16.33,
    # 16 vCPUs with 64 GB: 0.042246 for each vCPU with its 4 GB.
    ("t2d-standard-8", 2): 16.22,
    # 16 × 0.0327035 + 30 × 0.00375335 an hour.
    ("c4d-highcpu-8", 2): 15.26,
    ("c2d-highcpu-8", 2): 14.39,
    ("n2-highcpu-8", 2): 13.77,
    ("n2d-highcpu-8", 2): 11.98,
    ("c3-highcpu-8", 2): 16.33,
}
SPOT_DAY = {
    ("c3d-highcpu-8", 2): 3.21,
    ("n4d-highcpu-8", 2): 6.66,
    ("c4-highcpu-8", 2): 9.80,
    # Two of n2d-standard-8 at 0.097824 an hour, and of t2d-standard-8 at 0.12608.
    ("n2d-standard-8", 2): 4.70,
    ("t2d-standard-8", 2): 6.05,
}
