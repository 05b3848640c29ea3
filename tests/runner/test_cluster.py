import time
S='''
import ray, json, qstate, socket, logging
from qstate import QuantumServerless, get, remote
from qstate_backends.memory import MemoryStateHandler
ray.init('ray://10.77.0.1:10001')
print(ray.nodes()[0]['NodeManagerHostname'], ray.util.get_node_ip_address(), ray._private.worker._global_node)
store = MemoryStateHandler("m")
@remote
def f(state: qstate.StateStore):
    state.increment("n")
    return state.info().url, ray.util.get_node_ip_address()
for store in (store, qstate.connect("actor://a"), qstate.connect()):
  with qstate.override(store):
    for n in ("head", "node-1"):
        try:
            print(get(f.options(resources={n: 0.01})()))
        except Exception as e:
            print(type(e), e)
    print(dict(store))
for n in ("head", "node-1"):
    print("ambient", get(f.options(resources={n: 0.01})()))
print(json.dumps(1))
'''
def test_up(ray_cluster):
    t=time.time()
    import subprocess,sys,os
    m=ray_cluster.machines["notebook"]
    d=subprocess.run(m.on(sys.executable,"-c",S),env={**os.environ,**ray_cluster._variables()},capture_output=True,text=True)
    print(d.stdout,d.stderr)
    print(time.time()-t)
