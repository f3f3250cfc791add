internal import CKernels
import System

// T tokens, C_s channels of source s
//
//   concatenate: y = [x_1 | x_2 | …]          dx_s = columns s of dy
//   pick:        y[t, i] = x[t, index[i]]     dx[t, c] = Σ_{i: index[i] = c} dy[t, i]
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
            for row in 0..<tokens {
                (y.pointer + row * width + first).update(
                    from: source.value.pointer + row * columns, count: columns)
            }
            first += columns
        }
        return record("concatenate columns", y, from: sources) { dy in
            var first = 0
            for source in sources {
                let columns = source.value.columns
                if source.requiresGradient {
                    let target = source.gradientTarget()
                    for row in 0..<tokens {
                        let (to, from) = (target.pointer + row * columns, dy.pointer + row * width + first)
                        if target.accumulate {
                            ck_add(to, from, Int64(columns))
                        } else {
                            to.update(from: from, count: columns)
                        }
                    }
                }
                first += columns
            }
        }
    }

    /// The columns of a matrix at the positions `index`, in that order; `[tokens, channels]` to `[tokens,
    /// index.count]`.
    package func pickColumns(_ x: Variable, index: [Int]) -> Variable {
        let (tokens, width) = (x.value.rows, x.value.columns)
        invariant(index.allSatisfy { $0 >= 0 && $0 < width }, "a column index is out of range")
        let y = Tensor(shape: [tokens, index.count])
        for row in 0..<tokens {
            let (to, from) = (y.pointer + row * index.count, x.value.pointer + row * width)
            for (i, column) in index.enumerated() { to[i] = from[column] }
        }
        return record("pick columns", y, from: [x]) { dy in
            let to = x.gradientTarget().zeroedIfNew().pointer
            for row in 0..<tokens {
                let from = dy.pointer + row * index.count
                for (i, column) in index.enumerated() { to[row * width + column] += from[i] }
            }
        }
    }
}
