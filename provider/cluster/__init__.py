"""The load test in a cluster: its servers and its Job, from creation to a stored run, through the Kubernetes API.

provider.measure_in_cluster takes the steps in order: `servers` waits for the servers, `load_job` describes the Job,
`job_pod` starts it, `job_result` follows it and fetches its rows, `store_run` stores them and has the Job deleted.
`left_jobs` takes the last two steps for a Job that an interrupted update left. `pod_sampler` samples the servers
meanwhile. `api` has the calls to the cluster that all of these need, and `kube_api` makes them.
"""
