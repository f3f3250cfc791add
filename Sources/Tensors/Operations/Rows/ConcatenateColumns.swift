internal import CKernels
import System

// T tokens, C_s channels of source s
//
//   y = [x_1 | x_2 | …]      x_s [T, C_s], y [T, Σ C_s]
//   dx_s = columns of source s in dy
extension Tape {
    /// Places matrices side by side: `[tokens, C_1]`, `[tokens, C_2]` … to `[tokens, C_1 + C_2 + …]`.
    package func concatenateColumns(_ sources: [Variable]) -> Variable {
        let tokens = sources[0].value.rows
        invariant(sources.allSatisfy { $0.value.rows == tokens }, "sources differ in rows")
        let width = sources.reduce(0) { $0 + $1.value.columns }
        let y = Tensor(shape: [tokens, width])
        var first = 0
        for source in sources {
            let columns = source.value.columns
            parallel(tokens, grain: max(1, elementGrain / max(1, columns))) { [first] rows in
                for row in rows {
                    (y.pointer + row * width + first).update(
                        from: source.value.pointer + row * columns, count: columns)
                }
            }
            first += columns
        }
        return record("concatenate columns", y, from: sources) { dy in
            var first = 0
            for source in sources {
                let columns = source.value.columns
                if source.requiresGradient {
                    let target = source.gradientTarget()
                    parallel(tokens, grain: max(1, elementGrain / max(1, columns))) { [first] rows in
                        for row in rows {
                            let (to, from) = (target.pointer + row * columns, dy.pointer + row * width + first)
                            if target.accumulate {
                                ck_add(to, from, Int64(columns))
                            } else {
                                to.update(from: from, count: columns)
                            }
                        }
                    }
                }
                first += columns
            }
        }
    }
}
