# The public names and where they live. `qstate/__init__.py` imports each from here when first used.

from .aio import (
    AsyncStateStore as AsyncStateStore,
)
from .backend import (
    KEEP as KEEP,
    Version as Version,
)
from .copying import (
    Copied as Copied,
    Outcome as Outcome,
    copy as copy,
)
from .encoded import (
    ABSENT as ABSENT,
)
from .entries import (
    Entry as Entry,
    StoreInfo as StoreInfo,
    Writer as Writer,
)
from .errors import (
    BackendNotFoundError as BackendNotFoundError,
    ClosedStoreError as ClosedStoreError,
    ConflictError as ConflictError,
    InvalidKeyError as InvalidKeyError,
    InvalidProgramError as InvalidProgramError,
    InvalidURLError as InvalidURLError,
    JobFailedError as JobFailedError,
    JobNotFoundError as JobNotFoundError,
    LockLostError as LockLostError,
    MissingKeyError as MissingKeyError,
    PluginError as PluginError,
    ProviderNotFoundError as ProviderNotFoundError,
    RayUnavailableError as RayUnavailableError,
    SerializationError as SerializationError,
    StateError as StateError,
    StateLostError as StateLostError,
    StateTimeoutError as StateTimeoutError,
    StoreUnavailableError as StoreUnavailableError,
    UnreachableStoreError as UnreachableStoreError,
    UnsupportedOperationError as UnsupportedOperationError,
    ValueTooLargeError as ValueTooLargeError,
    ValueTypeError as ValueTypeError,
)
from .exporting import (
    export_file as export_file,
    import_file as import_file,
)
from .handler import (
    StateHandler as StateHandler,
)
from .injection import (
    current as current,
    override as override,
)
from .locks import (
    Lease as Lease,
)
from .rotation import (
    Rotation as Rotation,
)
from .runner.decorator import (
    distribute_task as distribute_task,
    remote as remote,
    run_qiskit_remote as run_qiskit_remote,
)
from .runner.inside import (
    get_arguments as get_arguments,
    report_progress as report_progress,
    save_result as save_result,
)
from .runner.job import (
    Job as Job,
)
from .runner.program import (
    Program as Program,
)
from .runner.provider import (
    ComputeResource as ComputeResource,
    Provider as Provider,
)
from .runner.references import (
    get as get,
    get_refs_by_status as get_refs_by_status,
    put as put,
)
from .runner.serverless import (
    QuantumServerless as QuantumServerless,
    load_configuration as load_configuration,
)
from .runner.status import (
    JobStatus as JobStatus,
)
from .runner.target import (
    Target as Target,
)
from .runner.tasks import (
    ActorTask as ActorTask,
    Task as Task,
)
from .serializers.encryption import (
    Keys as Keys,
)
from .serializers.types import (
    register_type as register_type,
)
from .store import (
    StateStore as StateStore,
    connect as connect,
)
from .transactions import (
    Transaction as Transaction,
)
from .typed import (
    TypedStore as TypedStore,
)
from .types import (
    ValueType as ValueType,
)
from .url import (
    StateURL as StateURL,
)
from .watching import (
    Change as Change,
)
