import HDF5
import System

/// Row of the table of datasets.
struct DatasetRow: Encodable {
    let name: String
    let type: String
    let shape: [Int]
    let storedBytes: Int

    var elements: Int { shape.reduce(1, *) }
}

func datasets(under group: borrowing Group, prefix: String = "", depth: Int = 0) throws -> [DatasetRow] {
    // A link may lead back to a parent group.
    guard depth < 32 else { return [DatasetRow(name: prefix + "…", type: "group", shape: [], storedBytes: 0)] }
    var rows: [DatasetRow] = []
    for child in try group.children {
        let name = prefix + child.name
        switch child.kind {
        case .group:
            rows += try datasets(under: group.group(child.name), prefix: name + "/", depth: depth + 1)
        case .dataset:
            let dataset = try group.dataset(child.name)
            rows.append(
                DatasetRow(
                    name: name, type: "\(dataset.elementType)", shape: dataset.shape,
                    storedBytes: dataset.storedBytes))
        case .other: rows.append(DatasetRow(name: name, type: "other", shape: [], storedBytes: 0))
        }
    }
    return rows
}

func table(of rows: [DatasetRow]) -> String {
    aligned(
        [["dataset", "type", "shape", "stored"]]
            + rows.map { row in
                let shape = row.shape.map { "\($0)" }.joined(separator: " × ")
                return [row.name, row.type, shape, megabytes(row.storedBytes)]
            })
}
