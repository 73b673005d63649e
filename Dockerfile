# The server in an image: `docker build -t sessile .`, then
# `docker run --read-only --stop-timeout 30 -p 7377:7377 -v sessile:/var/lib/sessile sessile`.
# See docs/operations.md.

FROM node:22-slim AS build
WORKDIR /build
# What is installed changes less often than the code, so it is a layer of its own.
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22-slim
# A container's ports are those of its own network; who reaches them is up to `docker run -p`.
ENV NODE_ENV=production \
    SESSILE_HOST=0.0.0.0 \
    SESSILE_DATA_DIR=/var/lib/sessile \
    SESSILE_LOG_FORMAT=json
WORKDIR /app
COPY --from=build /build/package.json /build/LICENSE ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
# The user of the image `node`; sessions' data is nobody else's business.
RUN install -d -o node -g node -m 0700 /var/lib/sessile
USER node
VOLUME /var/lib/sessile
EXPOSE 7377
STOPSIGNAL SIGTERM
# On the operator's port, which listens on the container's own loopback address. Beyond it a server
# with a certificate speaks HTTPS there; the certificate is for another name than this address has.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "const { SESSILE_OPERATOR_HOST: host = '127.0.0.1', SESSILE_TLS_CERT: cert } = process.env; const via = cert && !/^(127[.]|::1$|localhost$)/.test(host) ? 'https' : 'http'; require('node:' + via).get(via + '://127.0.0.1:7378/healthz', { rejectUnauthorized: false }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["serve"]
