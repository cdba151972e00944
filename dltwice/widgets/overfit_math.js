// The maths of OverfitExplorer: pure functions of plain data, tested against Python. Curves are lists of thousandths.

const CURVES = { train_loss: 3, valid_loss: 3, train_accuracy: 2, valid_accuracy: 2, test_accuracy: 2 };
const SETTINGS = ["hidden", "noise", "dropout"];
const TRAIN = 200;

/** The runs as Python packed them: all curves in one text, numbers in base 36, as wide as CURVES says. */
const unpack = (packed) => packed.map(({ curves, ...run }) => {
  const length = curves.length / Object.values(CURVES).reduce((a, b) => a + b);
  let at = 0;
  for (const [name, width] of Object.entries(CURVES)) {
    run[name] = Array.from({ length }, (_, i) => parseInt(curves.slice(at + i * width, at + (i + 1) * width), 36));
    at += length * width;
  }
  return run;
});

/** Early stopping: training ends after epoch `stopped`, epoch `best` is kept. */
function earlyStop(losses, patience) {
  let best = 0;
  for (let epoch = 1; epoch < losses.length; epoch++) {
    if (losses[epoch] < losses[best]) best = epoch;
    else if (epoch - best >= patience) return { stopped: epoch, best };
  }
  return { stopped: losses.length - 1, best };
}

/** The mean of curves of thousandths, rounded to thousandths, halves up. */
const meanCurve = (curves) => curves[0].map((_, i) => Math.floor(curves.reduce((sum, curve) => sum + curve[i], 0) / curves.length + 0.5) / 1000);

const settingOf = (s) => Object.fromEntries(SETTINGS.map((name) => [name, s[name]]));
const ofSetting = (runs, s) => runs.filter((run) => SETTINGS.every((name) => run[name] === s[name]));

/** The setting of the run that is nearest: a factor of 4 in hidden units counts as 0.2 in noise and 0.5 in dropout. */
function nearest(runs, s) {
  const distance = (run) => Math.abs(Math.log(run.hidden / s.hidden)) / Math.log(4) + Math.abs(run.noise - s.noise) / 0.2 + Math.abs(run.dropout - s.dropout) / 0.5;
  return settingOf(runs.reduce((best, run) => (distance(run) < distance(best) ? run : best)));
}

const percent = (share) => fmt(Math.round(share * 1e8) / 1e6, 3);
const wordsOf = (s) => `${s.hidden} hidden units, ${percent(s.noise)} % wrong labels and dropout ${fmt(s.dropout)}`;

/** Why there is nothing to show, and the nearest setting that has something: null or { message, fix: traits }. */
function problemOf(runs, s) {
  const near = nearest(runs, s), seeds = ofSetting(runs, s).map(({ seed }) => seed), last = runs[0].valid_loss.length - 1;
  if (!seeds.length) return { message: `No run was made with ${wordsOf(s)}. The nearest one has ${wordsOf(near)}.`, fix: near };
  if (s.seed !== null && !seeds.includes(s.seed)) return { message: `No run was made with seed ${s.seed}. There are the seeds ${seeds.join(", ")}.`, fix: { seed: null } };
  if (s.patience > last) return { message: `A patience of ${s.patience} never ends a run of ${last} epochs.`, fix: { patience: last } };
  return null;
}

/** The curves of the seed that is looked at, or the mean over the seeds. */
function curvesOf(runs, s) {
  const some = ofSetting(runs, s).filter(({ seed }) => s.seed === null || seed === s.seed);
  return Object.fromEntries(Object.keys(CURVES).map((name) => [name, meanCurve(some.map((run) => run[name]))]));
}

/** What each seed reaches when the rule is applied to its own validation loss; test accuracies as shares. */
const resultsOf = (runs, s) => ofSetting(runs, s).map(({ seed, valid_loss, test_accuracy }) => {
  const stop = earlyStop(valid_loss, s.patience);
  return { seed, ...stop, last: test_accuracy.at(-1) / 1000, kept: test_accuracy[stop.best] / 1000 };
});

/** What the rule knows after an epoch: the best so far, how long ago that was, and whether it has ended training. */
function ruleAt(losses, patience, epoch) {
  const { stopped, best } = earlyStop(losses.slice(0, epoch + 1), patience), waited = stopped - best;
  return { best, waited, ended: waited >= patience, stopped };
}

/** Numbers of the network 64-h-10. */
const parameterCount = (hidden) => 64 * hidden + hidden + 10 * hidden + 10;

/** The PyTorch program that makes such a run. */
const code = (s) => `# The run on the screen in PyTorch: the same network, optimizer, batch size and rule. Its random numbers are
# others, so its losses are near the screen's, not equal.
import copy

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(${s.seed ?? 0})
hidden, noise, dropout = ${s.hidden}, ${s.noise}, ${s.dropout}
patience, epochs = ${s.patience}, ${s.epochs}

x, y = load_digits(return_X_y=True)
split = train_test_split(x / 16, y, test_size=0.25, random_state=0, stratify=y)
x, x_test = (torch.tensor(part, dtype=torch.float32) for part in split[:2])
y, y_test = (torch.tensor(part) for part in split[2:])
order = torch.randperm(len(x))
train, valid = order[:${TRAIN}], order[${TRAIN}:700]
x_train, y_train, x_valid, y_valid = x[train], y[train], x[valid], y[valid]
wrong = round(noise * ${TRAIN})
y_train[:wrong] = (y_train[:wrong] + torch.randint(1, 10, (wrong,))) % 10

net = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 10))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
loss_function = nn.CrossEntropyLoss()


@torch.no_grad()
def measure(x, y):
    net.eval()
    scores = net(x)
    net.train()
    return loss_function(scores, y).item(), (scores.argmax(1) == y).float().mean().item()


best, best_loss, stopped = 0, measure(x_valid, y_valid)[0], None
best_weights = copy.deepcopy(net.state_dict())
for epoch in range(1, epochs + 1):
    for batch in torch.randperm(${TRAIN}).split(25):
        optimizer.zero_grad()
        loss_function(net(x_train[batch]), y_train[batch]).backward()
        optimizer.step()
    train_loss, valid_loss = measure(x_train, y_train)[0], measure(x_valid, y_valid)[0]
    print(f"epoch {epoch}: training loss {train_loss:.3f}, validation loss {valid_loss:.3f}")
    if not stopped and valid_loss < best_loss:
        best, best_loss, best_weights = epoch, valid_loss, copy.deepcopy(net.state_dict())
    elif not stopped and epoch - best >= patience:
        stopped = epoch  # early stopping ends here; this program goes on to show what follows

test_last = measure(x_test, y_test)[1]
net.load_state_dict(best_weights)
test_stopped = measure(x_test, y_test)[1]
print(f"stops after epoch {stopped or epochs}, keeps epoch {best}")
print(f"test accuracy: {test_last:.3f} last, {test_stopped:.3f} kept")
`;
