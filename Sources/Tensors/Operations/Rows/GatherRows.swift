internal import CKernels
import System

// R rows of the output, C channels; sources [·, C], y [R, C]
//
//   y[r] = concatenation(sources)[index[r]]
//   dsource[i] = Σ_{r: index[r] = i} dy[r]
extension Tape {
    /// Picks rows of one matrix, or of several as if they were concatenated; a row may be picked many times.
    ///
    /// It serves embeddings (a table and its indices), registers in front of every jet, and the decoder's sequence of
    /// survivors and null tokens.
    package func gatherRows(_ sources: [Variable], index: [Int32]) -> Variable {
        let channels = sources[0].value.columns
        invariant(sources.allSatisfy { $0.value.columns == channels }, "sources differ in width")
        var starts = [0]
        for source in sources { starts.append(starts[starts.count - 1] + source.value.rows) }
        let y = Tensor(shape: [index.count, channels])
        let picks = sources.count == 1 ? [Pick(whole: index)] : Pick.split(index, starts)
        for (source, pick) in zip(sources, picks) {
            invariant(pick.isInside(source.value.rows), "a row index is out of range")
        }
        parallel(index.count, grain: max(1, elementGrain / channels)) { rows in
            for (source, pick) in zip(sources, picks) {
                pick.withRuns(in: rows) { to, from in
                    ck_gather_rows(
                        y.pointer + to.lowerBound * channels, source.value.pointer, from, Int64(to.count),
                        Int64(channels))
                }
            }
        }
        return record("gather rows", y, from: sources) { dy in
            for (source, pick) in zip(sources, picks) where source.requiresGradient {
                let to = source.gradientTarget().zeroedIfNew().pointer
                // Threads divide the columns, not the rows: additions stay in the order of the rows.
                parallel(channels, grain: 64) { columns in
                    pick.withRuns { rows, index in
                        ck_scatter_add_rows(
                            to, dy.pointer + rows.lowerBound * channels, index, Int64(rows.count), Int64(channels),
                            Int64(columns.lowerBound), Int64(columns.upperBound))
                    }
                }
            }
        }
    }

    /// The row of a table at every index: `table [entries, channels]` to `[index.count, channels]`.
    package func embedding(_ table: Variable, index: [Int32]) -> Variable {
        gatherRows([table], index: index)
    }
}

/// The rows of the output that come from one source: runs of consecutive rows, and the source row of each.
private struct Pick {
    var runs: [Range<Int>] = []
    var index: [Int32] = []

    init() {}

    init(whole index: [Int32]) {
        self.index = index
        runs = [0..<index.count]
    }

    static func split(_ index: [Int32], _ starts: [Int]) -> [Pick] {
        var picks = [Pick](repeating: Pick(), count: starts.count - 1)
        var row = 0
        while row < index.count {
            let source = starts.lastIndex { $0 <= Int(index[row]) }!
            invariant(source < picks.count, "row index \(index[row]) is beyond the last source")
            let (low, high) = (starts[source], starts[source + 1])
            let first = row
            while row < index.count, Int(index[row]) >= low, Int(index[row]) < high {
                picks[source].index.append(index[row] - Int32(low))
                row += 1
            }
            picks[source].runs.append(first..<row)
        }
        return picks
    }

    func isInside(_ rows: Int) -> Bool { index.allSatisfy { $0 >= 0 && $0 < rows } }

    /// Runs `body` with the rows of each run, those `in` a range alone, and their source rows.
    func withRuns(in part: Range<Int>? = nil, _ body: (Range<Int>, UnsafePointer<Int32>) -> Void) {
        index.withUnsafeBufferPointer { index in
            guard var next = index.baseAddress else { return }
            for run in runs {
                let rows = part.map(run.clamped) ?? run
                if !rows.isEmpty { body(rows, next + (rows.lowerBound - run.lowerBound)) }
                next += run.count
            }
        }
    }
}
