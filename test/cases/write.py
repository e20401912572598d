"""Writes files of this folder: pip install pyarrow numpy safetensors ml_dtypes, then python write.py. Not run by the tests."""

import pyarrow as pa, pyarrow.ipc as ipc, numpy as np, datetime, decimal, uuid, sys
n=24
rng=np.random.default_rng(1)
x=rng.normal(size=(n,5)).astype('float32')*4
logits=pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()),5)
def some(v): return [None if i%7==3 else v(i) for i in range(n)]
cols={
 'logits':logits,
 'i8':pa.array(some(lambda i:i%100-50),pa.int8()),'u16':pa.array(some(lambda i:i*60),pa.uint16()),'u32':pa.array(some(lambda i:4294967295-i),pa.uint32()),'i64':pa.array(some(lambda i:2**62+i),pa.int64()),'u64':pa.array(some(lambda i:2**64-1-i),pa.uint64()),
 'f16':pa.array(np.arange(n).astype('float16')),'f64':pa.array(some(lambda i:i/3)),
 'b':pa.array(some(lambda i:i%3==0)),'s':pa.array(some(lambda i:'é'*(i%20))),'ls':pa.array(some(lambda i:'x'*(i%30)),pa.large_string()),'bin':pa.array(some(lambda i:b'\0\1'*(i%9)),pa.binary()),
 'sv':pa.array(some(lambda i:'y'*(i%40)),pa.string_view()),'bv':pa.array(some(lambda i:b'z'*(i%40)),pa.binary_view()),
 'd32':pa.array(some(lambda i:datetime.date(2020,1,1)+datetime.timedelta(i))),'d64':pa.array(some(lambda i:86400000*i),pa.date64()),
 'ts_s':pa.array(some(lambda i:i*1000),pa.timestamp('s')),'ts_ns':pa.array(some(lambda i:-i*1000000007),pa.timestamp('ns','Europe/Berlin')),'ts_us':pa.array(some(lambda i:i*1000003),pa.timestamp('us')),
 't32':pa.array(some(lambda i:i),pa.time32('ms')),'t64':pa.array(some(lambda i:i),pa.time64('ns')),'dur':pa.array(some(lambda i:i),pa.duration('us')),
 'iv':pa.array(some(lambda i:(i,2,3)),pa.month_day_nano_interval()),
 'dec':pa.array(some(lambda i:decimal.Decimal(i).scaleb(-2)),pa.decimal128(20,2)),'dec256':pa.array(some(lambda i:decimal.Decimal(i*10**40).scaleb(-2)),pa.decimal256(60,2)),'dec32':pa.array(some(lambda i:decimal.Decimal(i).scaleb(-2)),pa.decimal32(8,2)),
 'fsb':pa.array(some(lambda i:bytes([i%256]*4)),pa.binary(4)),
 'list':pa.array(some(lambda i:[j for j in range(i%5)]),pa.list_(pa.int16())),'llist':pa.array(some(lambda i:['a']*(i%4)),pa.large_list(pa.string())),'fl':pa.array(some(lambda i:[i,i]),pa.list_(pa.int32(),2)),
 'lv':pa.array(some(lambda i:[i]*(i%3)),pa.list_view(pa.int32())),'llv':pa.array(some(lambda i:['q']*(i%3)),pa.large_list_view(pa.string())),
 'st':pa.array(some(lambda i:{'a':i,'b':[str(i)]})),'map':pa.array(some(lambda i:[('k',i)]),pa.map_(pa.string(),pa.int32())),
 'dict':pa.array(some(lambda i:'cat%d'%(i%9))).dictionary_encode(),'nul':pa.nulls(n),
 'ree':pa.RunEndEncodedArray.from_arrays(pa.array([3,11,24],pa.int16()),pa.array(['r',None,'t'])),
 'su':pa.UnionArray.from_sparse(pa.array([i%2 for i in range(n)],pa.int8()),[pa.array(range(n),pa.int32()),pa.array([str(i) for i in range(n)])]),
 'du':pa.UnionArray.from_dense(pa.array([i%2 for i in range(n)],pa.int8()),pa.array([i//2 for i in range(n)],pa.int32()),[pa.array(range(n),pa.int32()),pa.array([str(i) for i in range(n)])]),
 'uuid':pa.array([uuid.UUID(int=i).bytes for i in range(n)],pa.uuid()),
}
fields=[pa.field(k,v.type,metadata={'own':'meta '+k}) for k,v in cols.items()]
t=pa.table(list(cols.values()),schema=pa.schema(fields,metadata={'huggingface':'{"x":1}','pandas':'{}'}))
here = sys.path[0]
with ipc.new_file(f"{here}/every-type-plain.arrow", t.schema) as w:
    w.write_table(t, max_chunksize=10)
with ipc.new_file(f"{here}/every-type.arrow", t.schema, options=ipc.IpcWriteOptions(compression="lz4")) as w:
    w.write_table(t, max_chunksize=10)
with ipc.new_stream(f"{here}/every-type.arrows", t.schema, options=ipc.IpcWriteOptions(compression="zstd")) as w:
    w.write_table(t, max_chunksize=10)

# Lists of logits of every kind, each row 1.5 0.5 2, null, 0.2 2.2 1; the views lie in another order, with a gap.
rows = [[1.5, 0.5, 2.0], None, [0.2, 2.2, 1.0]]
kinds = {
    "list": pa.array(rows, pa.list_(pa.float32())),
    "large-list": pa.array(rows, pa.large_list(pa.float64())),
    "fixed-size-list": pa.array(rows, pa.list_(pa.float32(), 3)),
    "list-view": pa.ListViewArray.from_arrays(
        pa.array([4, None, 0], pa.int32()), pa.array([3, 0, 3], pa.int32()),
        pa.array([0.2, 2.2, 1.0, 9.0, 1.5, 0.5, 2.0], pa.float32())),
    "large-list-view": pa.LargeListViewArray.from_arrays(
        pa.array([4, None, 0], pa.int64()), pa.array([3, 0, 3], pa.int64()),
        pa.array([0.2, 2.2, 1.0, 9.0, 1.5, 0.5, 2.0], pa.float16())),
}
for name, column in kinds.items():
    table = pa.table({"id": pa.array([7, 8, 9]), "logits": column})
    with ipc.new_file(f"{here}/{name}-of-logits.arrow", table.schema) as w:
        w.write_table(table)

# Arrays: in an archive stored and deflated, and as tensors.
import ml_dtypes
from safetensors.numpy import save_file

logits = np.array([[1.5, 0.5, 2.0], [0.2, 2.2, 1.0]], "float32")
truth = np.array([2, 1], "int64")
np.savez(f"{here}/stored.npz", logits=logits, truth=truth, columns=np.asfortranarray(logits))
np.savez_compressed(f"{here}/deflated.npz", logits=logits, truth=truth, columns=np.asfortranarray(logits))
np.savez(f"{here}/lone.npz", logits.astype(">f8"))
save_file({"logits": logits, "half": logits.astype("float16"), "double": logits.astype("float64"),
           "brain": logits.astype(ml_dtypes.bfloat16), "truth": truth, "odd": truth.astype("uint8")},
          f"{here}/tensors.safetensors")

# ARROW:schema in Parquet: types that Parquet has not, and what fields and schema say of themselves.
import pyarrow.parquet

features = '{"info": {"features": {"id": {"dtype": "int64", "_type": "Value"}, "logits": {"feature": {"dtype": "float32", "_type": "Value"}, "_type": "List"}}}}'
noon = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.timezone.utc)
cost = pa.decimal128(20, 3)
columns = {
    "id": pa.array([1, 2, 3], pa.int64()),
    "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
    "name": pa.array(["x", None, "é"], pa.large_string()),
    "at": pa.array([noon] * 3, pa.timestamp("us", tz="Europe/Paris")),
    "took": pa.array([1, 2, None], pa.duration("us")),
    "raw": pa.array([b"\0", b"ab", b""], pa.large_binary()),
    "cost": pa.array([decimal.Decimal("1.5"), decimal.Decimal(2), None], cost),
    "logits": pa.array([[1.5, 0.5, 2], [0.25, 2.25, 1], [0, 0, 0]], pa.list_(pa.float32())),
}
fields = [pa.field(name, column.type, metadata={"unit": f"of {name}"}) for name, column in columns.items()]
schema = pa.schema(fields, metadata={"source": "sensor 7", "huggingface": features})
pa.parquet.write_table(pa.table(list(columns.values()), schema=schema), f"{here}/arrow-schema.parquet", compression="none")

# Nanoseconds with a zone, of which DuckDB has no type.
moment = pa.array([1714566601123456789], pa.timestamp("ns", tz="UTC"))
zoned = pa.table({"logits": pa.array([[1, 2]], pa.list_(pa.float32())), "moment": moment})
pa.parquet.write_table(zoned, f"{here}/nanoseconds-zone.parquet", store_schema=False, compression="none", use_dictionary=False, write_statistics=False)
